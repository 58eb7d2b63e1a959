import { shortId } from '../../base/index.ts';
import type { ContainerRecord, Engine } from '../../engine/index.ts';

/** Names of images and networks, each looked up once for all rows of an answer: the metadata database is asked for every one. */
export class Names {
  readonly #engine: Engine;
  readonly #images = new Map<string, Promise<string | undefined>>();
  #networks: readonly { readonly id: string; readonly name: string }[] | undefined;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** The image's name as lists show it: its id when the name was moved to another image. */
  async imageName({ config, imageId }: ContainerRecord): Promise<string> {
    return (await this.imageId(config.image)) === imageId ? config.image : shortId(imageId ?? '');
  }

  /** The same text as long as all networks are called the same. */
  networksKey(): string {
    return JSON.stringify(this.#allNetworks());
  }

  /** The id of the image of that name now; undefined: there is none. */
  imageId(name: string): Promise<string | undefined> {
    const known = this.#images.get(name) ?? this.#engine.images.lookUp(name).then((image) => image?.id);
    this.#images.set(name, known);
    return known;
  }

  /** The id itself for one that is no network's. */
  networkName(id: string): string {
    return this.#allNetworks().find((network) => network.id === id)?.name ?? id;
  }

  /** "" for a name that is no network's. */
  networkId(name: string): string {
    return this.#allNetworks().find((network) => network.name === name)?.id ?? '';
  }

  #allNetworks() {
    this.#networks ??= this.#engine.networks.list().map(({ network: { id, name } }) => ({ id, name }));
    return this.#networks;
  }
}
