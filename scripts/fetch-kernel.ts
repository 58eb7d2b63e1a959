// fetch-kernel.ts FOLDER: keeps Debian's kernel there, as berthd does below its data root.
import { errorMessage } from '../src/base/index.ts';
import { Kernels } from '../src/vm/kernel.ts';

const [cache = ''] = process.argv.slice(2);
try {
  const { version } = await new Kernels({ cache, configuration: '/nonexistent' }).find(undefined);
  console.log(version);
} catch (error) {
  console.error(errorMessage(error));
  process.exitCode = 1;
}
