/**
 * Mocha's spec reporter with a last line that scripts can read: `N passed, N failed`. Errors that know their file, such as
 * the end of its process, have it in their title.
 */
import { relative } from 'node:path';
import Mocha from 'mocha';

export default class Reporter extends Mocha.reporters.Spec {
  constructor(runner: Mocha.Runner, options: Mocha.MochaOptions) {
    super(runner, options);
    runner.prependListener(Mocha.Runner.constants.EVENT_TEST_FAIL, (test, error: { file?: string }) => {
      if (error.file !== undefined) test.title = `${relative(process.cwd(), error.file)}: ${test.title}`;
    });
    // In parallel runs, the epilogue comes at the first error outside of tests, and others may follow.
    process.once('exit', () => this.#summarise());
  }

  #listed = 0;

  override epilogue(): void {
    super.epilogue();
    this.#listed = this.failures.length;
  }

  #summarise(): void {
    const { passes, failures, pending } = this.stats;
    if (this.#listed < failures) Mocha.reporters.Base.list(this.failures.slice(this.#listed));
    console.log(`${passes} passed, ${failures} failed${pending > 0 ? `, ${pending} skipped` : ''}`);
    process.send?.('summarised'); // to scripts/test.ts
  }
}
