// machine-images.ts FOLDER RELEASE…: keeps Debian systems there, as berthd does below its data root. A release that is there stays.
// Prints a line for each that it makes.
import { errorMessage, unavailable } from '../src/base/index.ts';
import { BuiltDebian, ImageStore, MmdebstrapBuilder, QemuImg } from '../src/vm/index.ts';

const [folder = '', ...releases] = process.argv.slice(2);
const temporary = `${folder}/tmp`;
const qemuImg = new QemuImg(process.env.PATH ?? '');
const images = new ImageStore(
  { images: `${folder}/images`, temporary },
  { qemuImg, download: async () => Promise.reject(unavailable('nothing is downloaded here')) },
);

/** Older ones are made anew when they are asked for. Younger ones may be those of tests that run. */
const KEPT_DAYS = 8;

const debian = new BuiltDebian(images, new MmdebstrapBuilder(temporary, qemuImg));
try {
  for (const release of releases) {
    let isNew = false;
    const onProgress = () => {
      if (!isNew) console.log(`making a Debian system (${release}) for machines, of Debian's packages`);
      isNew = true;
    };
    const { warnings } = await debian.provide(release, { onProgress });
    for (const warning of warnings) console.log(warning);
  }
  const oldest = Date.now() - KEPT_DAYS * 24 * 3_600_000;
  const kept = (await images.list()).filter(({ createdAt }) => createdAt.getTime() > oldest);
  await images.prune(new Set(kept.map(({ name }) => name)));
} catch (error) {
  console.error(errorMessage(error));
  process.exitCode = 1;
}
