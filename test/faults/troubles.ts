// What can go wrong between an operator and the API server, each kind by itself. Chosen and timed by dice.
import { setTimeout as sleep } from 'node:timers/promises';
import type { ServerResponse } from 'node:http';
import type { ControlPlane } from '../env/index.ts';
import { eventually } from '../support/cluster.ts';
import type { Operator } from '../support/operator.ts';
import { type ApiProxy, type Exchange, EXPIRED, type Fault, type Watch } from './api-proxy.ts';
import { type Dice, pick } from './model.ts';

/** Where trouble is made. */
export interface Field {
  readonly proxy: ApiProxy;
  readonly plane: ControlPlane;
  readonly roll: Dice;
  /** A resourceVersion at which everything was as it was before the latest changes. */
  readonly past: string;
  /** Resolves once the change that is being made is answered. */
  readonly changed: () => Promise<void>;
  /** The one that runs now. */
  readonly operator: () => Operator;
  /** Kills the operator and starts another. */
  readonly restart: () => Promise<void>;
  /** For the story that a failure tells. */
  readonly tell: (what: string) => void;
}

export interface Trouble {
  /** What there is: "the invariants hold with NAME". */
  readonly name: string;
  /** From here on there is trouble; resolves once the operator has met it. */
  readonly begin: (field: Field) => void | Promise<void>;
  /** For how long it goes on after changes were made, milliseconds; default 500. */
  readonly lastsMs?: number;
  /** Just before everything passes unchanged again. */
  readonly end?: (field: Field) => void | Promise<void>;
  /** The operator is made to believe what is not so, so that it may report it in a status. */
  readonly blinds?: boolean;
  /** It says something wrong of policies, so that there must be some, and a change just before. */
  readonly needsPolicies?: boolean;
  /** It begins with a write, before which nothing differs, and ends with that. */
  readonly atWrites?: boolean;
}

const CODES = [409, 429, 500, 503, 504] as const;
const REASONS = {
  409: 'Conflict',
  429: 'TooManyRequests',
  500: 'InternalError',
  503: 'ServiceUnavailable',
  504: 'Timeout',
};

/** Answers a share of all requests with errors, each code in turn; 409 is for writes only. */
function errors(percent: number): Trouble {
  return {
    name: `errors for ${percent} % of the requests`,
    begin: ({ proxy, roll }) => {
      let count = roll(CODES.length);
      proxy.fault = (exchange) => {
        if (roll(100) >= percent) return exchange.pass();
        count += 1;
        const code = CODES[count % CODES.length] ?? 500;
        return refuse(exchange, code === 409 && !exchange.isWrite ? 503 : code, roll(2) === 0);
      };
      resetWatches(proxy);
    },
  };
}

/** As the API server does, or a load balancer before it. */
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
  exchange.answer(code, JSON.stringify({ ...status, message: 'made up by a test' }), headers);
}

export function resetWatches(proxy: ApiProxy): void {
  for (const watch of proxy.watches()) watch.reset();
}

/** A share of the requests, in percent, meets `fault`. */
function sometimes(roll: Dice, percent: number, fault: Fault): Fault {
  return (exchange) => (roll(100) < percent ? fault(exchange) : exchange.pass());
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

/** The kinds of which the operator always has everything. */
export const CACHED = ['segmentationprofiles', 'namespaces', 'networkpolicies'];

/** Kills the operator at its `turn`-th write from now on, before or after it reaches the API server. */
export class Crash implements Trouble {
  readonly name: string;
  readonly atWrites = true;
  /** Whether there were so many writes. */
  struck = false;
  readonly #turn: number;
  readonly #when: 'before' | 'after';

  constructor(turn: number, when: 'before' | 'after') {
    this.name = `a kill ${when} write ${turn}`;
    this.#turn = turn;
    this.#when = when;
  }

  begin({ proxy, tell, restart }: Field): void {
    let writes = 0;
    proxy.fault = async (exchange) => {
      if (exchange.isWrite) writes += 1;
      if (!exchange.isWrite || writes !== this.#turn) return exchange.pass();
      this.struck = true;
      tell(`killed ${this.#when} ${exchange.method} ${exchange.path}`);
      if (this.#when === 'after') await exchange.commit();
      await restart();
      exchange.reset();
    };
  }
}

/**
 * Answers lists of a whole kind as if there were none: the first one, the second one that is to confirm it too, or those
 * of a new process. What was believed is ended by 410, as what it left out would never be told.
 */
function forge(resource: string, how: 'once' | 'twice' | 'after a restart'): Trouble {
  const held = new Set<ServerResponse>();
  const atRestart = how === 'after a restart';
  return {
    name: `an empty list of ${resource} that is not true, ${how}`,
    blinds: how !== 'once',
    needsPolicies: true,
    begin: async ({ proxy, plane, restart, operator }) => {
      let forged = false;
      proxy.fault = async (exchange) => {
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
          const response = exchange.open();
          held.add(response);
          response.write(`${bookmark(kind.replace(/List$/, ''), apiVersion, resourceVersion)}\n`);
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
        if (!forged) throw new Error(`nobody listed ${resource}`);
      }, 10_000);
      await operator().ready();
    },
    end: ({ proxy }) => {
      proxy.fault = undefined;
      if (how === 'once') return; // it was not believed, so that nothing has to be listed anew
      for (const response of held) response.end(`${JSON.stringify({ type: 'ERROR', object: EXPIRED })}\n`);
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
 * Lists of these kinds are as they were before the latest changes, and nothing newer is told until the trouble ends. Where
 * it is not all kinds, as from several servers of which one lags, what stands does not fit what seems to be wanted.
 */
const staleLists = (what: string, kinds: readonly string[]): Trouble => ({
  name: `lists of ${what} from the past after a restart`,
  // What it reads live before it writes may change what it takes for done, and so what it reports.
  blinds: kinds !== CACHED,
  needsPolicies: true,
  begin: async ({ proxy, plane, past, restart, operator }) => {
    proxy.fault = async (exchange) => {
      if (!exchange.isCollection || !kinds.includes(exchange.resource)) return exchange.pass();
      if (!exchange.isWatch) {
        exchange.query.set('resourceVersion', past);
        exchange.query.set('resourceVersionMatch', 'Exact');
        return exchange.pass();
      }
      const response = exchange.open();
      if (exchange.query.get('sendInitialEvents') !== 'true') return;
      const query = `resourceVersion=${past}&resourceVersionMatch=Exact`;
      const { kind, apiVersion, items } = (await plane.admin.send('GET', `${exchange.path}?${query}`)) as {
        kind: string;
        apiVersion: string;
        items: object[];
      };
      const one = { kind: kind.replace(/List$/, ''), apiVersion };
      for (const item of items)
        response.write(`${JSON.stringify({ type: 'ADDED', object: { ...one, ...item } })}\n`);
      response.write(`${bookmark(one.kind, apiVersion, past)}\n`);
    };
    await restart();
    await operator().ready();
  },
});

const HOW = ['once', 'twice', 'after a restart'] as const;

/** What the core takes of the forged lists: each kind, each way, and what once went wrong. */
const FORGED: readonly (readonly [resource: string, how: (typeof HOW)[number]])[] = [
  ['segmentationprofiles', 'after a restart'],
  ['namespaces', 'once'],
  ['networkpolicies', 'twice'],
];

/** Every kind of trouble, with all ways to forge lists and to be behind, or a few. */
export function troubles(all: boolean): Trouble[] {
  const forged = all ? CACHED.flatMap((resource) => HOW.map((how) => [resource, how] as const)) : FORGED;
  const stale = all ? [staleLists('policies', ['networkpolicies'])] : [];
  return [...TROUBLES, ...forged.map(([resource, how]) => forge(resource, how)), ...stale];
}

const TROUBLES: readonly Trouble[] = [
  errors(5),
  errors(20),
  errors(50),
  {
    name: 'writes that arrive, and answers that do not',
    begin: ({ proxy, roll }) => {
      proxy.fault = async (exchange) => {
        if (!exchange.isWrite || roll(2) === 0) return exchange.pass();
        await exchange.commit();
        exchange.reset();
      };
    },
  },
  {
    name: 'connections that break',
    begin: ({ proxy, roll }) => {
      proxy.fault = sometimes(roll, 40, (exchange) => exchange.reset());
      resetWatches(proxy);
    },
  },
  {
    name: 'requests that are never answered, and watches that fall silent',
    begin: ({ proxy, roll }) => {
      proxy.fault = sometimes(roll, 20, async (exchange) => {
        if (roll(2) === 0 && !exchange.isWatch) await exchange.commit();
      });
      proxy.lineFault = () => {};
    },
    end: ({ proxy }) => resetWatches(proxy),
  },
  {
    name: 'answers that take long',
    begin: ({ proxy, roll }) => {
      proxy.fault = async (exchange) => {
        await sleep(roll(300));
        const { status, body } = exchange.isWatch ? { status: 0, body: '' } : await exchange.commit();
        if (exchange.isWatch) return exchange.pass();
        await sleep(roll(300));
        exchange.answer(status, body);
      };
    },
  },
  {
    name: 'garbage for answers',
    begin: ({ proxy, roll }) => {
      proxy.fault = sometimes(roll, 30, async (exchange) => {
        if (exchange.isWrite) await exchange.commit();
        exchange.answer(200, pick(roll, GARBAGE));
      });
      resetWatches(proxy);
    },
  },
  {
    name: 'garbage in watches',
    begin: ({ proxy, roll }) => {
      proxy.lineFault = (line, watch) => {
        if (roll(2) === 0) return watch.send(line);
        watch.send(pick(roll, LINES));
        if (roll(2) === 0) watch.end();
      };
    },
    end: ({ proxy }) => resetWatches(proxy),
  },
  {
    name: 'events that come late',
    begin: ({ proxy, roll }) => {
      proxy.lineFault = (line, watch) => {
        watch.pause(roll(250));
        watch.send(line);
      };
    },
  },
  {
    name: 'events that come again',
    begin: ({ proxy, roll }) => {
      proxy.lineFault = (line, watch) => {
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
      proxy.lineFault = () => {};
    },
    end: ({ proxy }) => resetWatches(proxy),
  },
  {
    name: 'events lost, and revisions that have expired',
    begin: ({ proxy, roll }) => {
      proxy.lineFault = (line, watch) => {
        if (roll(2) === 0) watch.send(line);
      };
    },
    end: ({ proxy }) => {
      proxy.lineFault = undefined;
      proxy.expire();
    },
  },
  staleLists('everything', CACHED),
  staleLists('what is intended', ['segmentationprofiles', 'namespaces']),
  {
    name: 'a restart among errors',
    begin: async (field) => {
      const { proxy, roll, restart } = field;
      proxy.fault = sometimes(roll, 30, (exchange) => refuse(exchange, 503, false));
      await restart();
    },
  },
];

function repeatAny(watch: Watch, roll: Dice): void {
  if (watch.seen.length > 0) watch.send(pick(roll, watch.seen));
}
