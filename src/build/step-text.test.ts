import { expect, test } from 'vitest';
import { shownText } from './step-text.ts';

const shown = (text: string) => shownText(text, (name) => ({ A: '1', B: 'two words' })[name]);

test('a step is called by its instruction with the variables that are set', () => {
  expect(shown('RUN echo $A ${B}/x')).toBe('RUN echo 1 two words/x');
});

test("a step's name keeps what the shell is to expand", () => {
  expect(shown('RUN echo $UNSET \'$A\' \\$A ${A:-x} "$A"')).toBe('RUN echo $UNSET \'$A\' \\$A ${A:-x} "1"');
});
