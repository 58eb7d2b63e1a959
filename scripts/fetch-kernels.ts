// fetch-kernels.ts FOLDER: keeps Debian's kernels there, of each architecture that machines can have, as berthd does below its data root.
import { errorMessage } from '../src/base/index.ts';
import { architectureNamed, architectureNames } from '../src/vm/architecture.ts';
import { Kernels } from '../src/vm/kernel.ts';

const [cache = ''] = process.argv.slice(2);
const kernels = new Kernels({ cache, configuration: '/nonexistent' });
try {
  for (const name of architectureNames()) {
    const { version } = await kernels.find(undefined, architectureNamed(name));
    console.log(version);
  }
} catch (error) {
  console.error(errorMessage(error));
  process.exitCode = 1;
}
