// What most suites begin with that ask what the operator does to a cluster.
import type { ControlPlane } from '../env/index.ts';
import { sharedControlPlane } from '../env/plane/shared.ts';
import { Sandbox } from './cluster.ts';
import { installOperator, type Operator, Operators } from './operator.ts';

/** The shared control plane, an operator that runs there, and a sandbox for each test. Registers the hooks for it. */
export class OperatorSuite {
  readonly operators = new Operators();
  readonly #theme: string;
  #set: { readonly plane: ControlPlane; readonly kubeconfig: string } | undefined;
  #operator: Operator | undefined;
  #box: Sandbox | undefined;

  /** @param theme with which the names of the sandboxes begin */
  constructor(theme: string) {
    this.#theme = theme;
    before(async () => {
      const plane = await sharedControlPlane();
      this.#set = { plane, kubeconfig: await installOperator(plane) };
      await this.restart();
    });
    beforeEach(() => {
      this.#box = new Sandbox(this.plane, this.#theme);
    });
    afterEach(async () => {
      if (!this.operator.running) await this.restart();
      await this.box.remove();
    });
  }

  get plane(): ControlPlane {
    return there(this.#set).plane;
  }

  /** Path of the operator's kubeconfig. */
  get kubeconfig(): string {
    return there(this.#set).kubeconfig;
  }

  /** The one that was started last. */
  get operator(): Operator {
    return there(this.#operator);
  }

  /** Of the test that runs. */
  get box(): Sandbox {
    return there(this.#box);
  }

  /** Starts an operator in the place of one that has ended. */
  async restart(): Promise<void> {
    this.#operator = await this.operators.start(this.kubeconfig);
  }
}

function there<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('it is there once the hooks of the suite have run');
  return value;
}
