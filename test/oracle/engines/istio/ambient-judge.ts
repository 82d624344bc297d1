/**
 * istiod in ambient mode: it accepts AuthorizationPolicies in their status, and shows what it tells each ztunnel. ztunnel's own
 * decision is written down here after the rules of its source (istio/ztunnel, src/rbac.rs and src/state.rs).
 */
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ControlPlane } from '../../../env/index.ts';
import { ProcessSet } from '../../../env/plane/processes.ts';
import { freePorts, startIstiod } from './istiod.ts';

interface StringMatch {
  readonly exact?: string;
  readonly presence?: object;
}

interface Match {
  readonly namespaces?: readonly StringMatch[];
  readonly principals?: readonly StringMatch[];
  readonly notPrincipals?: readonly StringMatch[];
  readonly destinationPorts?: readonly number[];
}

/** istio.security.Authorization, as it is sent to ztunnel. */
export interface Authorization {
  readonly name: string;
  readonly namespace: string;
  /** Absent, GLOBAL, is the default of the enumeration. */
  readonly scope?: 'GLOBAL' | 'NAMESPACE' | 'WORKLOAD_SELECTOR';
  readonly action?: 'ALLOW' | 'DENY';
  /** Absent parts are empty lists. */
  readonly groups?: readonly { readonly rules?: readonly { readonly matches?: readonly Match[] }[] }[];
}

interface Workload {
  readonly name: string;
  readonly namespace: string;
  readonly authorizationPolicies?: readonly string[];
}

export interface ZtunnelView {
  readonly workloads: readonly Workload[];
  readonly policies: readonly Authorization[];
}

export class AmbientJudge {
  readonly #processes: ProcessSet;
  readonly #port: number;

  private constructor(processes: ProcessSet, port: number) {
    this.#processes = processes;
    this.#port = port;
  }

  /** The API server serves Istio's kinds already. @param root the namespace of istiod */
  static async start(plane: ControlPlane, root: string, trustDomain: string): Promise<AmbientJudge> {
    const ports = await freePorts();
    const processes = new ProcessSet(join(tmpdir(), `ambient-${randomBytes(6).toString('hex')}`));
    const judge = new AmbientJudge(processes, ports.http);
    try {
      const environment = { PILOT_ENABLE_AMBIENT: 'true' };
      await startIstiod({ plane, root, trustDomain, processes, ports, environment });
    } catch (error) {
      await judge.stop();
      throw error;
    }
    return judge;
  }

  async stop(): Promise<void> {
    await this.#processes.stop();
  }

  /** The state that every ztunnel gets. */
  async view(): Promise<ZtunnelView> {
    const answer = await fetch(`http://127.0.0.1:${this.#port}/debug/ambientz`);
    // An empty list is null: a nil slice in Go.
    const { workloads, policies } = (await answer.json()) as {
      [K in keyof ZtunnelView]: ZtunnelView[K] | null;
    };
    return { workloads: workloads ?? [], policies: policies ?? [] };
  }
}

/** True if ztunnel lets the connection of this identity in to a port of the workload. */
export function ztunnelAllows(
  { workloads, policies }: ZtunnelView,
  to: { readonly namespace: string; readonly name: string; readonly port: number },
  principal: string | undefined,
): boolean {
  const workload = workloads.find(({ namespace, name }) => namespace === to.namespace && name === to.name);
  if (workload === undefined) throw new Error(`istiod does not know pod ${to.namespace}/${to.name}`);
  const own = policies.filter(
    ({ scope, namespace, name }) =>
      (scope === 'NAMESPACE' && namespace === to.namespace) ||
      (scope === 'WORKLOAD_SELECTOR' && workload.authorizationPolicies?.includes(`${namespace}/${name}`)) ||
      scope === undefined ||
      scope === 'GLOBAL',
  );
  const matching = own.filter((each) => isMatch(each, to.port, principal));
  if (matching.some(({ action }) => action === 'DENY')) return false;
  const allow = (list: readonly Authorization[]) => list.filter(({ action }) => action !== 'DENY');
  return allow(own).length === 0 || allow(matching).length > 0;
}

/** A group matches if each of its rules does, a rule if one of its matches does, or if it has none. */
function isMatch({ groups = [] }: Authorization, port: number, principal: string | undefined): boolean {
  return groups.some(({ rules = [] }) =>
    rules.every(
      ({ matches = [] }) => matches.length === 0 || matches.some((each) => isMatchOf(each, port, principal)),
    ),
  );
}

function isMatchOf(match: Match, port: number, principal: string | undefined): boolean {
  const { namespaces = [], principals = [], notPrincipals = [], destinationPorts = [] } = match;
  const isOf = (list: readonly StringMatch[], text: string | undefined) =>
    text !== undefined && list.some(({ exact, presence }) => presence !== undefined || exact === text);
  // A match without any term matches nothing.
  if (namespaces.length + principals.length + notPrincipals.length + destinationPorts.length === 0)
    return false;
  return (
    (namespaces.length === 0 || isOf(namespaces, principal?.split('/')[2])) &&
    (principals.length === 0 || isOf(principals, principal)) &&
    (notPrincipals.length === 0 || !isOf(notPrincipals, principal)) &&
    (destinationPorts.length === 0 || destinationPorts.includes(port))
  );
}
