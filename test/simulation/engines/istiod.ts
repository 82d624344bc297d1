/**
 * A model of istiod in ambient mode. It reads AuthorizationPolicies in the order of their writes and passes all of them on to
 * the mesh at once, so that ztunnel goes by those of one moment. Then it says so in the status of each.
 */
import type { Dice } from '../../faults/model.ts';
import type { Scheduler } from '../schedule/scheduler.ts';
import { AUTHORIZATION_POLICY, type Stored } from '../server/kinds.ts';
import { pathOf } from '../server/route.ts';
import type { Server } from '../server/server.ts';
import type { Acceptance } from './actions.ts';

/** The longest time until an answer, in milliseconds. */
const LATEST_MS: Readonly<Record<Acceptance, number>> = {
  prompt: 300,
  slow: 20_000,
  lost: 300,
  refused: 300,
};

export interface IstiodParts {
  readonly server: Server;
  readonly scheduler: Scheduler;
  readonly roll: Dice;
  /** ztunnel goes by these AuthorizationPolicies from now on. */
  readonly onPush: (policies: readonly Stored[]) => void;
}

export class Istiod {
  readonly #parts: IstiodParts;
  #how: Acceptance = 'prompt';
  #isPushing = false;

  constructor(parts: IstiodParts) {
    this.#parts = parts;
    parts.server.storage.subscribe(({ kind, type, object, previous }) => {
      const isSame = type === 'MODIFIED' && object.metadata.generation === previous?.metadata.generation;
      if (kind === AUTHORIZATION_POLICY && !isSame) this.#pushLater();
    });
  }

  /** From now on it answers so; once it is prompt again, also what it has lost or refused. */
  answer(how: Acceptance): void {
    this.#how = how;
    if (how === 'prompt') this.#pushLater();
  }

  #pushLater(): void {
    if (this.#isPushing) return;
    this.#isPushing = true;
    const { scheduler, roll } = this.#parts;
    scheduler.after(1 + roll(LATEST_MS[this.#how]), () => {
      this.#isPushing = false;
      this.#push();
    });
  }

  #push(): void {
    const { server, scheduler, roll, onPush } = this.#parts;
    const how = this.#how;
    if (how === 'lost') return;
    const policies = [...server.storage.values(AUTHORIZATION_POLICY)];
    if (how !== 'refused') onPush(policies);
    for (const each of policies)
      scheduler.after(1 + roll(LATEST_MS.prompt), () => this.#answer(each, how !== 'refused'));
  }

  /** Says of the form that was passed on, whatever has become of it since, if it is accepted. */
  #answer({ metadata }: Stored, isAccepted: boolean): void {
    const condition = {
      type: 'ZtunnelAccepted',
      status: isAccepted ? 'True' : 'False',
      message: isAccepted ? '' : 'refused',
      observedGeneration: String(metadata.generation),
    };
    const path = `${pathOf(AUTHORIZATION_POLICY, metadata.namespace, metadata.name)}/status`;
    const body = { metadata: { uid: metadata.uid }, status: { conditions: [condition] } };
    this.#parts.server.handle({ method: 'PATCH', path, body }, 'istiod');
  }
}
