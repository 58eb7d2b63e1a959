// machine-images.ts FOLDER RELEASE…: keeps Debian systems there, as berthd does below its data root. A release that is there stays.
import { errorMessage, unavailable } from '../src/base/index.ts';
import { BuiltDebian, ImageStore, MmdebstrapBuilder, QemuImg } from '../src/vm/index.ts';

const [folder = '', ...releases] = process.argv.slice(2);
const temporary = `${folder}/tmp`;
const qemuImg = new QemuImg(process.env.PATH ?? '');
const images = new ImageStore(
  { images: `${folder}/images`, temporary },
  { qemuImg, download: async () => Promise.reject(unavailable('nothing is downloaded here')) },
);
const debian = new BuiltDebian(images, new MmdebstrapBuilder(temporary, qemuImg));
try {
  for (const release of releases) {
    const { image, warnings } = await debian.provide(release);
    console.log([image.source, ...warnings].join('\n'));
  }
} catch (error) {
  console.error(errorMessage(error));
  process.exitCode = 1;
}
