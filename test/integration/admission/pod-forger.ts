// Creates pods with a true and with a false label in many namespaces, and tries to forge the false ones later, again and again.
import { setTimeout as sleep } from 'node:timers/promises';
import type { KubeObject } from '../../../src/api/meta.ts';
import { LABEL_SERVICE_ACCOUNT as LABEL } from '../../../src/api/names.ts';
import type { ControlPlane } from '../../env/index.ts';
import { pods, podSpec } from './account-scene.ts';

/** The account that pods run as, or pretend to. */
const ACCOUNT = 'web';
const LABELS = { [LABEL]: ACCOUNT };
const PAUSE_MS = 700;

export class PodForger {
  /** Pods that run as the account and have its label. */
  labelled = 0;
  /** Pods that run as another account and got its label. */
  forged = 0;
  /** Pods that run as another account, whose label no later request could change. */
  refused = 0;
  readonly #plane: ControlPlane;
  readonly #stopping = new AbortController();
  readonly #writers: Promise<void>[];

  constructor(plane: ControlPlane, namespaces: readonly string[]) {
    this.#plane = plane;
    this.#writers = namespaces.map((each) => this.#writeTo(each));
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all(this.#writers);
  }

  /** The counts, for messages. */
  toString(): string {
    return `${this.labelled} labelled, ${this.forged} forged, ${this.refused} refused`;
  }

  async #writeTo(namespace: string): Promise<void> {
    const account = { metadata: { name: ACCOUNT } };
    await this.#plane.admin.send('POST', `/api/v1/namespaces/${namespace}/serviceaccounts`, account);
    for (let count = 0; !this.#stopping.signal.aborted; count++) {
      if ((await this.#create(namespace, `true-${count}`, ACCOUNT)) === ACCOUNT) this.labelled++;
      const label = await this.#create(namespace, `false-${count}`, 'default');
      if (label === ACCOUNT) this.forged++;
      const isForged = await this.#forgeLater(namespace, `false-${count}`);
      if (label === 'default' && !isForged) this.refused++;
      await sleep(PAUSE_MS);
    }
  }

  /** @returns the label of the created pod; undefined if the API server refused it or set no label */
  async #create(namespace: string, name: string, account: string): Promise<string | undefined> {
    const pod = { metadata: { name, labels: LABELS }, spec: podSpec(account) };
    return (await this.#write('POST', pods(namespace), pod))?.metadata.labels?.[LABEL];
  }

  /** Sends every request that could change the label. @returns true if one was admitted */
  async #forgeLater(namespace: string, name: string): Promise<boolean> {
    const path = `${pods(namespace)}/${name}`;
    const patch = { metadata: { labels: LABELS } };
    const binding = {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: { name, labels: LABELS },
      target: { kind: 'Node', name: 'n1' },
    };
    const results = [
      await this.#write('PATCH', path, patch),
      await this.#write('PATCH', `${path}/status`, patch),
      await this.#write('POST', `${path}/binding`, binding),
    ];
    return results.some((each) => each !== undefined);
  }

  /** @returns the answer; undefined if the request was refused */
  async #write(method: 'POST' | 'PATCH', path: string, body: object): Promise<KubeObject | undefined> {
    try {
      return (await this.#plane.admin.send(method, path, body)) as KubeObject;
    } catch {
      return undefined;
    }
  }
}
