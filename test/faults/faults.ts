/** The faults between an operator and the API server. Random choices are by seed. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ControlPlane } from '../env/index.ts';
import { eventually } from '../support/cluster.ts';
import type { Operator } from '../support/operator.ts';
import {
  type ApiProxy,
  type EventStream,
  type Exchange,
  EXPIRED,
  type Interceptor,
  type Watch,
} from './api-proxy.ts';
import { type Dice, pick } from './model.ts';

/** The parts of a round that a fault may act on. */
export interface FaultContext {
  readonly proxy: ApiProxy;
  readonly plane: ControlPlane;
  readonly roll: Dice;
  /** A resourceVersion from before the round's changes. */
  readonly past: string;
  /** Resolves when the API server has answered the current change. */
  readonly changed: () => Promise<void>;
  /** The running operator. */
  readonly operator: () => Operator;
  /** Kills the operator and starts another. */
  readonly restart: () => Promise<void>;
  /** Adds a line to the round's story, which a failed test prints. */
  readonly note: (line: string) => void;
}

export interface Fault {
  /** Ends the title of a test: "operator keeps the invariants with NAME". */
  readonly name: string;
  /** Begins the fault; resolves when the operator has met it. */
  readonly begin: (context: FaultContext) => void | Promise<void>;
  /** How long the fault goes on after the changes, milliseconds; default 500. */
  readonly lastsMs?: number;
  /** Called just before everything passes unchanged again. */
  readonly end?: (context: FaultContext) => void | Promise<void>;
  /** The operator sees a wrong state, so it may write a wrong status. */
  readonly misleads?: boolean;
  /** The fault needs policies to be wrong about, and a change just before. */
  readonly needsPolicies?: boolean;
  /** The fault happens at one of the operator's writes. */
  readonly isAtWrites?: boolean;
}

const CODES = [409, 429, 500, 503, 504] as const;
const REASONS = {
  409: 'Conflict',
  429: 'TooManyRequests',
  500: 'InternalError',
  503: 'ServiceUnavailable',
  504: 'Timeout',
};

/** Answers a share of all requests with errors, each code in turn. Only writes get 409. */
function errors(percent: number): Fault {
  return {
    name: `errors for ${percent} % of the requests`,
    begin: ({ proxy, roll }) => {
      let count = roll(CODES.length);
      proxy.intercept = (exchange) => {
        if (roll(100) >= percent) return exchange.pass();
        count += 1;
        const code = CODES[count % CODES.length] ?? 500;
        return refuse(exchange, code === 409 && !exchange.isWrite ? 503 : code, roll(2) === 0);
      };
      resetWatches(proxy);
    },
  };
}

/** Refuses a request as the API server does or, as an HTML page, as a load balancer does. */
function refuse(exchange: Exchange, code: (typeof CODES)[number], asPage: boolean): void {
  const headers = code === 429 ? { 'retry-after': '1' } : undefined;
  if (asPage && code >= 500) {
    exchange.answer(code, `<html><body><h1>${code} ${REASONS[code]}</h1></body></html>`, {
      ...headers,
      'content-type': 'text/html',
    });
    return;
  }
  const status = { kind: 'Status', apiVersion: 'v1', status: 'Failure', reason: REASONS[code], code };
  exchange.answer(code, JSON.stringify({ ...status, message: 'injected by a test' }), headers);
}

export function resetWatches(proxy: ApiProxy): void {
  for (const watch of proxy.watches()) watch.reset();
}

/** Intercepts a share of the requests, in percent. */
function sometimes(roll: Dice, percent: number, intercept: Interceptor): Interceptor {
  return (exchange) => (roll(100) < percent ? intercept(exchange) : exchange.pass());
}

const GARBAGE = [
  '',
  '{"kind":"NetworkPolicyList","items":[{"metada',
  '<html><body>Please log in</body></html>',
  'null',
  '{"kind":"Status","status":"Failure"}',
  '[1, 2',
] as const;

const LINES = [
  '{"type":"MODIFIED","object":{"kind":"NetworkPolicy","metadata":{"na',
  '{"type":"ADDED"}',
  '{"type":"MODIFIED","object":{}}',
  '<html><body>Bad Gateway</body></html>',
  '\u0000\ufffd',
  '{"type":"RENAMED","object":{"metadata":{"name":"x","resourceVersion":"1"}}}',
] as const;

/** The kinds that the operator always watches. */
export const CACHED = ['segmentationprofiles', 'namespaces', 'networkpolicies'];

/** Kills the operator at its `turn`-th write, before or after the write reaches the API server. */
export class Kill implements Fault {
  readonly name: string;
  readonly isAtWrites = true;
  /** True if the operator made that many writes, and was killed. */
  hasStruck = false;
  readonly #turn: number;
  readonly #when: 'before' | 'after';

  constructor(turn: number, when: 'before' | 'after') {
    this.name = `a kill ${when} write ${turn}`;
    this.#turn = turn;
    this.#when = when;
  }

  begin({ proxy, note, restart }: FaultContext): void {
    let writes = 0;
    proxy.intercept = async (exchange) => {
      if (exchange.isWrite) writes += 1;
      if (!exchange.isWrite || writes !== this.#turn) return exchange.pass();
      this.hasStruck = true;
      note(`killed ${this.#when} ${exchange.method} ${exchange.path}`);
      if (this.#when === 'after') await exchange.commit();
      await restart();
      exchange.reset();
    };
  }
}

/** The longest wait of a reflector after a failure. Failures of earlier rounds count, if its watches broke within a second. */
const LONGEST_BACKOFF_MS = 12_000;

/**
 * Answers lists of a kind as if there were no objects: the first list, also the second one that confirms it, or the lists
 * of a new process. At the end, a 410 makes the reflector list again, as no event would tell it of the omitted objects.
 */
function forge(resource: string, how: 'once' | 'twice' | 'after a restart'): Fault {
  const held = new Set<EventStream>();
  const atRestart = how === 'after a restart';
  return {
    name: `a wrongly empty list of ${resource}, ${how}`,
    misleads: how !== 'once',
    needsPolicies: true,
    begin: async ({ proxy, plane, restart, operator }) => {
      let forged = false;
      proxy.intercept = async (exchange) => {
        const streamed = exchange.query.get('sendInitialEvents') === 'true';
        const asked =
          exchange.isCollection && exchange.resource === resource && !exchange.query.has('labelSelector');
        if (!asked || (exchange.isWatch && !streamed) || (how === 'once' && forged)) return exchange.pass();
        const { kind, apiVersion, metadata } = (await plane.admin.send(
          'GET',
          `${exchange.path}?limit=1`,
        )) as {
          kind: string;
          apiVersion: string;
          metadata: { resourceVersion: string };
        };
        const { resourceVersion } = metadata;
        if (streamed) {
          const stream = exchange.open();
          held.add(stream);
          stream.send(bookmark(kind.replace(/List$/, ''), apiVersion, resourceVersion));
          forged ||= how !== 'twice';
        } else {
          exchange.answer(
            200,
            JSON.stringify({ kind, apiVersion, metadata: { resourceVersion }, items: [] }),
          );
          forged = true;
        }
      };
      if (atRestart) await restart();
      else proxy.expire(resource);
      await eventually(() => {
        if (!forged) throw new Error(`the operator did not list ${resource}`);
      }, LONGEST_BACKOFF_MS + 10_000);
      await operator().ready();
    },
    end: ({ proxy }) => {
      proxy.intercept = undefined;
      if (how === 'once') return; // the operator did not believe the list
      for (const stream of held) {
        stream.send(JSON.stringify({ type: 'ERROR', object: EXPIRED }));
        stream.end();
      }
      held.clear();
      proxy.expire(resource);
    },
  };
}

function bookmark(kind: string, apiVersion: string, resourceVersion: string): string {
  const annotations = { 'k8s.io/initial-events-end': 'true' };
  const object = { kind, apiVersion, metadata: { resourceVersion, annotations } };
  return JSON.stringify({ type: 'BOOKMARK', object });
}

/**
 * Answers lists of these kinds with their state before the latest changes, and sends no newer event until the fault ends.
 * If only some kinds are stale, as when one of several API servers lags, policies do not match the intent that is seen.
 */
const staleLists = (subject: string, kinds: readonly string[]): Fault => ({
  name: `stale lists of ${subject} after a restart`,
  // Live reads before a write may change what the operator reports.
  misleads: kinds !== CACHED,
  needsPolicies: true,
  begin: async ({ proxy, plane, past, restart, operator }) => {
    proxy.intercept = async (exchange) => {
      if (!exchange.isCollection || !kinds.includes(exchange.resource)) return exchange.pass();
      if (!exchange.isWatch) {
        exchange.query.set('resourceVersion', past);
        exchange.query.set('resourceVersionMatch', 'Exact');
        return exchange.pass();
      }
      const stream = exchange.open();
      if (exchange.query.get('sendInitialEvents') !== 'true') return;
      const query = `resourceVersion=${past}&resourceVersionMatch=Exact`;
      const { kind, apiVersion, items } = (await plane.admin.send('GET', `${exchange.path}?${query}`)) as {
        kind: string;
        apiVersion: string;
        items: object[];
      };
      const one = { kind: kind.replace(/List$/, ''), apiVersion };
      for (const item of items) stream.send(JSON.stringify({ type: 'ADDED', object: { ...one, ...item } }));
      stream.send(bookmark(one.kind, apiVersion, past));
    };
    await restart();
    await operator().ready();
  },
});

const HOW = ['once', 'twice', 'after a restart'] as const;

/** The forged lists of the core: each kind and each way once. */
const FORGED: readonly (readonly [resource: string, how: (typeof HOW)[number]])[] = [
  ['segmentationprofiles', 'after a restart'],
  ['namespaces', 'once'],
  ['networkpolicies', 'twice'],
];

/** All faults; with `all`, also every way to forge lists, and more stale lists. */
export function faults({ all }: { readonly all: boolean }): Fault[] {
  const forged = all ? CACHED.flatMap((resource) => HOW.map((how) => [resource, how] as const)) : FORGED;
  const stale = all ? [staleLists('policies', ['networkpolicies'])] : [];
  return [...FAULTS, ...forged.map(([resource, how]) => forge(resource, how)), ...stale];
}

const FAULTS: readonly Fault[] = [
  errors(5),
  errors(20),
  errors(50),
  {
    name: 'writes whose answers are lost',
    begin: ({ proxy, roll }) => {
      proxy.intercept = async (exchange) => {
        if (!exchange.isWrite || roll(2) === 0) return exchange.pass();
        await exchange.commit();
        exchange.reset();
      };
    },
  },
  {
    name: 'broken connections',
    begin: ({ proxy, roll }) => {
      proxy.intercept = sometimes(roll, 40, (exchange) => exchange.reset());
      resetWatches(proxy);
    },
  },
  {
    name: 'requests that are never answered, and watches that fall silent',
    begin: ({ proxy, roll }) => {
      proxy.intercept = sometimes(roll, 20, async (exchange) => {
        if (roll(2) === 0 && !exchange.isWatch) await exchange.commit();
      });
      proxy.interceptLine = () => {};
    },
    end: ({ proxy }) => resetWatches(proxy),
  },
  {
    name: 'slow answers',
    begin: ({ proxy, roll }) => {
      proxy.intercept = async (exchange) => {
        await sleep(roll(300));
        const { status, body } = exchange.isWatch ? { status: 0, body: '' } : await exchange.commit();
        if (exchange.isWatch) return exchange.pass();
        await sleep(roll(300));
        exchange.answer(status, body);
      };
    },
  },
  {
    name: 'garbage as answers',
    begin: ({ proxy, roll }) => {
      proxy.intercept = sometimes(roll, 30, async (exchange) => {
        if (exchange.isWrite) await exchange.commit();
        exchange.answer(200, pick(roll, GARBAGE));
      });
      resetWatches(proxy);
    },
  },
  {
    name: 'garbage in watches',
    begin: ({ proxy, roll }) => {
      proxy.interceptLine = (line, watch) => {
        if (roll(2) === 0) return watch.send(line);
        watch.send(pick(roll, LINES));
        if (roll(2) === 0) watch.end();
      };
    },
    end: ({ proxy }) => resetWatches(proxy),
  },
  {
    name: 'late events',
    begin: ({ proxy, roll }) => {
      proxy.interceptLine = (line, watch) => {
        watch.pause(roll(250));
        watch.send(line);
      };
    },
  },
  {
    name: 'repeated events',
    begin: ({ proxy, roll }) => {
      proxy.interceptLine = (line, watch) => {
        watch.send(line);
        if (roll(2) === 0) watch.send(line);
        if (watch.seen.length > 0 && roll(2) === 0) watch.send(pick(roll, watch.seen));
      };
      for (const watch of proxy.watches()) repeatAny(watch, roll);
    },
  },
  {
    name: 'events lost with their connection',
    begin: ({ proxy }) => {
      proxy.interceptLine = () => {};
    },
    end: ({ proxy }) => resetWatches(proxy),
  },
  {
    name: 'lost events, and expired revisions',
    begin: ({ proxy, roll }) => {
      proxy.interceptLine = (line, watch) => {
        if (roll(2) === 0) watch.send(line);
      };
    },
    end: ({ proxy }) => {
      proxy.interceptLine = undefined;
      proxy.expire();
    },
  },
  staleLists('all kinds', CACHED),
  staleLists('profiles and namespaces', ['segmentationprofiles', 'namespaces']),
  {
    name: 'a restart during errors',
    begin: async (context) => {
      const { proxy, roll, restart } = context;
      proxy.intercept = sometimes(roll, 30, (exchange) => refuse(exchange, 503, false));
      await restart();
    },
  },
];

function repeatAny(watch: Watch, roll: Dice): void {
  if (watch.seen.length > 0) watch.send(pick(roll, watch.seen));
}
