import { randomInt } from 'node:crypto';
import { invalid } from '../../base/index.ts';

const QUALITIES =
  'able amber brave bright brisk calm candid clear clever cosy daring deft eager early fair fleet fond frank fresh gentle glad golden grand hardy honest humble jolly keen kind lively loyal lucid lucky mellow merry mild modest neat nimble noble patient placid plain proud quick quiet rapid ready sharp sleek smart snug sober sound spry steady still sturdy sunny swift tidy trusty vivid warm wise witty'.split(
    ' ',
  );
const VESSELS =
  'anchor barge bark beacon boom bow brig buoy cable canoe capstan caravel clipper coaster cog compass corvette cutter dinghy dory ferry frigate galley gig halyard harbour helm hoy hull junk kayak keel ketch lantern launch lighter lugger mast mooring mizzen oar packet pier pilot pinnace pontoon prow punt quay raft rigger rudder sail schooner scow skiff sloop spar steamer stern tender tiller trawler tug whaler yacht yawl'.split(
    ' ',
  );

/** A name for a container that was given none, free by `isTaken`. */
export function newContainerName(isTaken: (name: string) => boolean): string {
  const pick = (words: readonly string[]) => words[randomInt(words.length)] ?? 'berth';
  for (;;) {
    const name = `${pick(QUALITIES)}_${pick(VESSELS)}`;
    if (!isTaken(name)) return name;
    const numbered = `${name}${randomInt(1, 1_000_000)}`;
    if (!isTaken(numbered)) return numbered;
  }
}

/** Throws `invalid` in Docker's words for what is no name of a container; `shown` is how the message has it. */
export function requireContainerName(name: string, shown = name): void {
  if (/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(name)) return;
  throw invalid(`Invalid container name (${shown}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`);
}
