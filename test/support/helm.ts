// helm, built from its Go module, for tests of the chart.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type GoTool, goTool } from '../env/tooling/go-tool.ts';

const VERSION = 'v4.3.1';
const HELM: GoTool = {
  name: 'helm',
  module: 'helm',
  package: 'helm.sh/helm/v4/cmd/helm',
  title: 'helm',
  usualTime: 'about 2 minutes on 2 cores',
  variables: { 'helm.sh/helm/v4/internal/version.version': VERSION },
};

export const CHART = join(import.meta.dirname, '../../charts/segmentation-operator');

export class Helm {
  readonly #binary: string;
  readonly #environment: NodeJS.ProcessEnv;

  private constructor(binary: string, environment: NodeJS.ProcessEnv) {
    this.#binary = binary;
    this.#environment = environment;
  }

  /**
   * @param directory helm's home directory
   * @param kubeconfig path of a kubeconfig; without it, only commands that need no cluster succeed
   */
  static async find(directory: string, kubeconfig = '/dev/null'): Promise<Helm> {
    const { PATH } = process.env;
    // The user's plugins, repositories and context must not affect tests.
    return new Helm(await goTool(HELM), { PATH, HOME: directory, KUBECONFIG: kubeconfig });
  }

  /** Runs helm. Resolves with its output; rejects with its stderr. */
  async run(...args: readonly string[]): Promise<string> {
    try {
      const { stdout } = await promisify(execFile)(this.#binary, args, {
        env: this.#environment,
        maxBuffer: 64 * 2 ** 20,
      });
      return stdout;
    } catch (error) {
      const { stdout, stderr } = error as { stdout: string; stderr: string };
      throw new Error(`helm ${args[0]}: ${stderr}${stdout}`, { cause: error });
    }
  }
}
