/** The network between the replicas and the API server: its fault rates, its clock, and which replicas are frozen. */
import type { Request } from '../../../src/kube/http/transport.ts';
import type { Scheduler } from '../schedule/scheduler.ts';
import type { Dice } from '../../faults/model.ts';
import type { Status } from '../../../src/kube/errors.ts';
import type { Answer, Server } from '../server/server.ts';
import { type FaultRates, NO_FAULTS } from './rates.ts';

/** Receives what passes, for the trace and the recorder. */
export interface NetworkObserver {
  /** A replica sends a request. */
  onSend(replica: string, request: Request): void;
  /** The server carried out a request. `sent` is when the replica sent it, by the simulation's clock. */
  onHandled(replica: string, request: Request, answer: Answer, sent: number): void;
  /** Any other event for the trace. */
  onNote(line: string): void;
}

export class Network {
  rates: FaultRates = NO_FAULTS;
  /** Collections that the API server does not let the operator read, as without a permission; undefined: none. */
  forbidden: RegExp | undefined;
  /** Requests without an outcome yet, also those whose client gave up. */
  inFlight = 0;
  readonly scheduler: Scheduler;
  readonly server: Server;
  readonly roll: Dice;
  readonly observer: NetworkObserver;
  /** When each frozen replica runs again, by replica. */
  readonly #frozenUntil = new Map<string, number>();

  constructor(scheduler: Scheduler, server: Server, roll: Dice, observer: NetworkObserver) {
    this.scheduler = scheduler;
    this.server = server;
    this.roll = roll;
    this.observer = observer;
  }

  /** The answer to a request that the operator has no permission for; undefined if it has. */
  refusal(path: string): Status | undefined {
    if (this.forbidden?.test(path) !== true) return undefined;
    const [status, reason, message] = ['Failure', 'Forbidden', `${path} is forbidden`];
    return { status, reason, message, code: 403 };
  }

  freeze(replica: string, until: number): void {
    this.#frozenUntil.set(replica, until);
  }

  isFrozen(replica: string): boolean {
    return (this.#frozenUntil.get(replica) ?? 0) > this.scheduler.time;
  }

  /** Runs a callback of a replica: at once, or when its freeze ends. */
  whenAwake(replica: string, run: () => void): void {
    const left = (this.#frozenUntil.get(replica) ?? 0) - this.scheduler.time;
    if (left > 0) this.scheduler.after(left, () => this.whenAwake(replica, run));
    else run();
  }
}
