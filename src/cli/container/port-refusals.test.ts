import { expect, test } from 'vitest';
import { refusedPortText } from './port-refusals.ts';

const refused = { hostPort: '8000', containerPort: '5000' };
const nothing = 'nothing listens on port 5000 in the container (published as 8000)';

test.each([
  ['5050', `${nothing}; it listens on 5050. Did you mean -p 8000:5050?`],
  ['22,80,5050', `${nothing}; it listens on 22, 80 and 5050. Did you mean -p 8000:22?`],
  ['', `${nothing}, nor on any other`],
])('says which ports do listen: "%s"', (listening, text) => {
  expect(refusedPortText({ ...refused, listening })).toBe(text);
});
