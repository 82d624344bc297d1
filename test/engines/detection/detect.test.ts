import assert from 'node:assert/strict';
import { detect, type EngineInForce } from '../../../src/engines/detection/detect.ts';
import type { AgentState, EngineEvidence } from '../../../src/engines/detection/signature.ts';
import type { Engine, EngineSetting } from '../../../src/engines/engine.ts';
import { SIGNATURES } from '../../../src/engines/signatures.ts';

const ABSENT: AgentState = { kind: 'absent' };
const READY: AgentState = { kind: 'found', isReady: true };
const STARTING: AgentState = { kind: 'found', isReady: false };
const FORBIDDEN: AgentState = { kind: 'forbidden' };
const REFUSED: AgentState = { kind: 'unreadable', message: 'Transport: connect ECONNREFUSED' };

type Traces = Partial<
  Record<Engine, { readonly agent?: AgentState; readonly served?: readonly string[] | undefined }>
>;

/** The evidence of a cluster: each engine's first agent, and its groups; of engines without traces there is nothing. */
function evidence(traces: Traces): EngineEvidence[] {
  return SIGNATURES.map((signature) => {
    const { agent = ABSENT, ...rest } = traces[signature.engine] ?? {};
    const agents = signature.agents.map((name, index) => ({ name, state: index === 0 ? agent : ABSENT }));
    const servedGroups = 'served' in rest ? rest.served : agent.kind === 'found' ? signature.groups : [];
    return { signature, agents, servedGroups };
  });
}

interface Case {
  readonly title: string;
  readonly setting?: EngineSetting;
  readonly traces: Traces;
  readonly before?: EngineInForce;
  readonly verdict: readonly [engine: EngineInForce, status: string, reason: string];
  readonly message?: RegExp;
}

const CASES: readonly Case[] = [
  {
    title: 'finds an engine whose agent has ready pods and whose group is served',
    traces: { Cilium: { agent: READY } },
    verdict: ['Cilium', 'True', 'Detected'],
    message: /^Cilium: DaemonSet kube-system\/cilium has ready pods, and the API server serves cilium\.io$/,
  },
  {
    title: 'finds Calico that serves its kinds from CRDs of their own group',
    traces: { Calico: { agent: READY, served: ['projectcalico.org'] } },
    verdict: ['Calico', 'True', 'Detected'],
    message: /the API server serves projectcalico\.org$/,
  },
  {
    title: 'finds no engine from CRDs alone',
    traces: { Cilium: { served: ['cilium.io'] }, Calico: { served: ['projectcalico.org'] } },
    verdict: ['None', 'True', 'NoEngine'],
  },
  {
    title: 'finds GKE where it serves kinds of Cilium',
    traces: { GKE: { agent: READY }, Cilium: { served: ['cilium.io'] } },
    verdict: ['GKE', 'True', 'Detected'],
  },
  {
    title: 'gives up the engine that it found before, once the evidence is gone',
    traces: {},
    before: 'Cilium',
    verdict: ['None', 'True', 'NoEngine'],
  },
  {
    title: 'keeps the engine that it found before while no pod of its agent is ready',
    traces: { Cilium: { agent: STARTING } },
    before: 'Cilium',
    verdict: ['Cilium', 'Unknown', 'AgentNotReady'],
  },
  {
    title: 'keeps the engine that it found before while its group is not served',
    traces: { Cilium: { agent: READY, served: [] } },
    before: 'Cilium',
    verdict: ['Cilium', 'Unknown', 'AgentNotReady'],
    message: /does not serve cilium\.io/,
  },
  {
    title: 'keeps the engine that it found before while the evidence is unreadable',
    traces: { Cilium: { agent: FORBIDDEN } },
    before: 'Cilium',
    verdict: ['Cilium', 'Unknown', 'EvidenceUnreadable'],
    message: /the permission is missing; kubectl apply -k config\/engines\/detect, or set engine in /,
  },
  {
    title: 'knows no engine as long as the evidence has been unreadable',
    traces: { Calico: { agent: REFUSED } },
    verdict: ['Unknown', 'Unknown', 'EvidenceUnreadable'],
    message: /connect ECONNREFUSED; wait until the API server answers, or set engine in [^/]*$/,
  },
  {
    title: 'knows no engine if the groups are unknown',
    traces: { Cilium: { agent: READY, served: undefined } },
    verdict: ['Unknown', 'Unknown', 'EvidenceUnreadable'],
    message: /does not list its groups; wait until the API server answers, /,
  },
  {
    title: 'keeps the engine that it found before while several run',
    traces: { Cilium: { agent: READY }, Calico: { agent: READY } },
    before: 'Calico',
    verdict: ['Calico', 'False', 'SeveralEngines'],
    message: /^Cilium and Calico run at once/,
  },
  {
    title: 'confirms the configured engine',
    setting: 'Calico',
    traces: { Calico: { agent: READY }, Cilium: { agent: READY } },
    verdict: ['Calico', 'True', 'Confirmed'],
  },
  {
    title: 'keeps to the configured engine where another one runs, and says so',
    setting: 'Cilium',
    traces: { Calico: { agent: READY } },
    verdict: ['Cilium', 'False', 'EngineDisagrees'],
    message: /says Cilium, but Calico runs: DaemonSet calico-system\/calico-node/,
  },
  {
    title: 'keeps to the configured engine of which there is no trace, and says so',
    setting: 'Cilium',
    traces: {},
    verdict: ['Cilium', 'False', 'EngineNotFound'],
    message: /there is no DaemonSet kube-system\/cilium or cilium\/cilium/,
  },
  {
    title: 'neither confirms nor contradicts the configured engine without evidence',
    setting: 'Cilium',
    traces: { Cilium: { agent: FORBIDDEN }, Calico: { agent: READY } },
    verdict: ['Cilium', 'Unknown', 'EvidenceUnreadable'],
    message: /the permission is missing; kubectl apply -k config\/engines\/detect$/,
  },
  {
    title: 'waits for the agent of the configured engine',
    setting: 'GKE',
    traces: { GKE: { agent: STARTING } },
    verdict: ['GKE', 'Unknown', 'AgentNotReady'],
  },
];

describe('detection of the network engine', () => {
  for (const { title, setting = 'Auto', traces, before, verdict, message } of CASES) {
    it(title, () => {
      const actual = detect(setting, evidence(traces), before);
      assert.deepEqual([actual.engine, actual.status, actual.reason], verdict);
      if (message !== undefined) assert.match(actual.message, message);
    });
  }

  it('takes the agent of a later namespace if the first one has none', () => {
    const [cilium] = SIGNATURES;
    assert.ok(cilium);
    const agents = cilium.agents.map((name, index) => ({ name, state: index === 1 ? READY : ABSENT }));
    const verdict = detect('Auto', [{ signature: cilium, agents, servedGroups: ['cilium.io'] }]);
    assert.match(verdict.message, /DaemonSet cilium\/cilium has ready pods/);
  });
});
