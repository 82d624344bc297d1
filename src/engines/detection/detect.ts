/**
 * Decides which engine a cluster has, from the configuration and from evidence. Pure.
 *
 * An engine runs if its agent has ready pods and the API server serves the engine's own group. CRDs alone are no evidence:
 * they stay when an engine is uninstalled, and other engines serve them too.
 *
 * The configuration decides where it names an engine, and evidence only confirms or contradicts it. With `Auto`, doubt
 * changes nothing: the engine that was found last stays in force until the evidence is clear.
 */
import { listText } from '../../util/list-text.ts';
import type { Engine, EngineSetting } from '../engine.ts';
import type { EngineEvidence } from './signature.ts';

/** The engine in force; `Unknown`: evidence has not been clear yet. */
export type EngineInForce = Engine | 'None' | 'Unknown';

export type EngineReason =
  | 'Detected'
  | 'NoEngine'
  | 'Confirmed'
  | 'EngineNotFound'
  | 'EngineDisagrees'
  | 'SeveralEngines'
  | 'AgentNotReady'
  | 'EvidenceUnreadable';

export interface EngineVerdict {
  readonly setting: EngineSetting;
  readonly engine: EngineInForce;
  /** True if evidence confirms the engine, False if it contradicts it. */
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: EngineReason;
  readonly message: string;
}

/** How one engine was found. `text` names the evidence. */
interface Finding {
  readonly engine: Engine;
  readonly state: 'running' | 'notReady' | 'unreadable' | 'absent';
  /** Beside `unreadable`, what to do about it. */
  readonly remedy?: string;
  readonly text: string;
}

/** @param before the engine in force so far; undefined at first */
export function detect(
  setting: EngineSetting,
  evidence: readonly EngineEvidence[],
  before?: EngineInForce,
): EngineVerdict {
  const findings = evidence.map(findingOf);
  return setting === 'Auto' || setting === 'None'
    ? detected(setting, findings, before ?? 'Unknown')
    : confirmed(setting, findings);
}

function findingOf({ signature, agents, servedGroups }: EngineEvidence): Finding {
  const { engine, groups } = signature;
  for (const { name, state } of agents) {
    if (state.kind !== 'found') continue;
    // Without the number of pods, which changes with every node: the status would have to be written each time.
    const agent = `DaemonSet ${name.namespace}/${name.name} has ${state.isReady ? '' : 'no '}ready pods`;
    if (!state.isReady) return { engine, state: 'notReady', text: agent };
    if (servedGroups === undefined)
      return {
        engine,
        state: 'unreadable',
        text: `${agent}, and the API server does not list its groups`,
        remedy: UNANSWERED_REMEDY,
      };
    const [group] = servedGroups;
    if (group === undefined) {
      const text = `${agent}, but the API server does not serve ${groups.join(' or ')}`;
      return { engine, state: 'notReady', text };
    }
    return { engine, state: 'running', text: `${agent}, and the API server serves ${group}` };
  }
  for (const { name, state } of agents) {
    if (state.kind !== 'unreadable' && state.kind !== 'forbidden') continue;
    const isForbidden = state.kind === 'forbidden';
    const cause = isForbidden ? 'the permission is missing' : state.message;
    const text = `DaemonSet ${name.namespace}/${name.name} can't be read: ${cause}`;
    const remedy = isForbidden ? FORBIDDEN_REMEDY : UNANSWERED_REMEDY;
    return { engine, state: 'unreadable', text, remedy };
  }
  const names = agents.map(({ name }) => `${name.namespace}/${name.name}`);
  return { engine, state: 'absent', text: `there is no DaemonSet ${names.join(' or ')}` };
}

function detected(
  setting: EngineSetting,
  findings: readonly Finding[],
  before: EngineInForce,
): EngineVerdict {
  const of = (state: Finding['state']) => findings.filter((each) => each.state === state);
  const running = of('running');
  const [only] = running;
  if (only !== undefined && running.length === 1)
    return {
      setting,
      engine: only.engine,
      status: 'True',
      reason: 'Detected',
      message: `${only.engine}: ${only.text}`,
    };
  if (only !== undefined) {
    const names = listText(running.map(({ engine }) => engine));
    const message = `${names} run at once: ${texts(running)}; set engine in the operator's configuration`;
    return { setting, engine: before, status: 'False', reason: 'SeveralEngines', message };
  }
  const [unreadable] = of('unreadable');
  if (unreadable !== undefined) {
    const message = `${unreadable.text}; ${unreadable.remedy}, or set engine in the operator's configuration`;
    return { setting, engine: before, status: 'Unknown', reason: 'EvidenceUnreadable', message };
  }
  const [starting] = of('notReady');
  if (starting !== undefined) {
    const message = `${starting.engine}: ${starting.text}`;
    return { setting, engine: before, status: 'Unknown', reason: 'AgentNotReady', message };
  }
  const message =
    'no engine that the operator knows runs here: peers are matched by labels and addresses alone';
  return { setting, engine: 'None', status: 'True', reason: 'NoEngine', message };
}

const FORBIDDEN_REMEDY = 'kubectl apply -k config/engines/detect';
const UNANSWERED_REMEDY = 'wait until the API server answers';

function confirmed(setting: Engine, findings: readonly Finding[]): EngineVerdict {
  const own = findings.find(({ engine }) => engine === setting);
  const other = findings.find(({ engine, state }) => engine !== setting && state === 'running');
  const verdict = { setting, engine: setting };
  const says = `the operator's configuration says ${setting}`;
  if (own?.state === 'running') return { ...verdict, status: 'True', reason: 'Confirmed', message: own.text };
  if (own?.state === 'unreadable')
    return {
      ...verdict,
      status: 'Unknown',
      reason: 'EvidenceUnreadable',
      message: `${says}, and ${own.text}; ${own.remedy}`,
    };
  if (other !== undefined) {
    const message = `${says}, but ${other.engine} runs: ${other.text}; correct engine there`;
    return { ...verdict, status: 'False', reason: 'EngineDisagrees', message };
  }
  if (own?.state === 'notReady')
    return { ...verdict, status: 'Unknown', reason: 'AgentNotReady', message: `${says}, and ${own.text}` };
  const message = `${says}, but ${own?.text ?? 'nothing of it was found'}; correct engine there`;
  return { ...verdict, status: 'False', reason: 'EngineNotFound', message };
}

function texts(findings: readonly Finding[]): string {
  return findings.map(({ text }) => text).join('; ');
}
