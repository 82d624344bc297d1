// The setup of suites that run the operator in a cluster.
import type { ControlPlane } from '../env/index.ts';
import { sharedControlPlane } from '../env/plane/shared.ts';
import { Sandbox } from './cluster.ts';
import { installOperator, type Operator, Operators } from './operator.ts';

/** The shared control plane, a running operator, and a sandbox for each test. Registers the hooks for them. */
export class OperatorSuite {
  readonly operators = new Operators();
  readonly #theme: string;
  #set: { readonly plane: ControlPlane; readonly kubeconfig: string } | undefined;
  #operator: Operator | undefined;
  #box: Sandbox | undefined;

  /** @param theme prefix of the sandboxes' names */
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
    return initialised(this.#set).plane;
  }

  /** Path of the operator's kubeconfig. */
  get kubeconfig(): string {
    return initialised(this.#set).kubeconfig;
  }

  /** The operator that was started last. */
  get operator(): Operator {
    return initialised(this.#operator);
  }

  /** The sandbox of the current test. */
  get box(): Sandbox {
    return initialised(this.#box);
  }

  /** Starts an operator in place of one that has ended. */
  async restart(): Promise<void> {
    this.#operator = await this.operators.start(this.kubeconfig);
  }
}

function initialised<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('not before the hooks of the suite have run');
  return value;
}
