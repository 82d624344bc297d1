/** The condition PodSecurityReady of a profile, and the namespaces in which a level is not in force. Pure. */
import type { ProfileFailure, SegmentationProfile } from '../../api/profile.ts';
import { type Levels, levelText, MODES } from '../../policy/pod-security/levels.ts';
import { counted, listText } from '../../util/list-text.ts';
import { compareText } from '../../util/order.ts';
import type { CapabilityReport } from '../capability.ts';
import { type Outcome, type Problem, problemOf } from './standing.ts';

/** Most namespaces that the status lists; the schema's bound. */
const MAX_NAMESPACES = 50;
/** Longest message of a namespace, in characters. */
const MAX_MESSAGE = 1024;

/** A selected namespace, with its outcome; undefined until it was judged by what profiles ask for now. */
export interface SelectedNamespace {
  readonly name: string;
  readonly outcome: Outcome | undefined;
}

type NamedProblem = Problem & { readonly namespace: string };

export function reportOf(
  { spec }: SegmentationProfile,
  asked: Levels,
  selected: readonly SelectedNamespace[],
): CapabilityReport {
  if (spec.mode === 'Audit') return ready('Audited', 'no namespace is labelled: mode is Audit');
  const pending = selected.filter(({ outcome }) => outcome === undefined).length;
  const problems = problemsOf(asked, selected);
  const status = {
    podSecurity: {
      inForce: selected.length - pending - problems.length,
      outstanding: pending + problems.length,
      ...(problems.length > 0 && { namespaces: problems.slice(0, MAX_NAMESPACES).map(listed) }),
    },
  };
  if (pending > 0) {
    const message = `${counted(pending, 'namespace')} to be labelled`;
    return { ...lacking('Progressing', message), status };
  }
  const [first] = problems;
  if (first === undefined) {
    const message = `${inForce(asked)} in ${counted(selected.length, 'namespace')}`;
    return { ...ready('InForce', message), status };
  }
  const { reason, namespace, message } = first;
  const text = `not in force in ${problems.length} of ${counted(selected.length, 'namespace')}: ${namespace}: ${message}`;
  const isStalled = problems.some(({ kind }) => kind === 'stalled');
  return { ...lacking(reason, text), isStalled, status };
}

function problemsOf(asked: Levels, selected: readonly SelectedNamespace[]): NamedProblem[] {
  return selected
    .flatMap(({ name, outcome }) => {
      const problem = outcome && problemOf(asked, outcome, name);
      return problem === undefined ? [] : [{ ...problem, namespace: name }];
    })
    .sort((a, b) => compareText(a.namespace, b.namespace));
}

function listed({ namespace, reason, message }: NamedProblem): ProfileFailure {
  const short = message.length > MAX_MESSAGE ? `${message.slice(0, MAX_MESSAGE)}…` : message;
  return { namespace, reason, message: short };
}

/** `enforce baseline and warn restricted`. */
function inForce(asked: Levels): string {
  return listText(
    MODES.flatMap((mode) => (asked[mode] === undefined ? [] : [`${mode} ${levelText(asked[mode])}`])),
  );
}

function ready(reason: string, message: string): CapabilityReport {
  return { condition: { type: 'PodSecurityReady', status: 'True', reason, message }, isStalled: false };
}

function lacking(reason: string, message: string): CapabilityReport {
  return { condition: { type: 'PodSecurityReady', status: 'False', reason, message }, isStalled: false };
}
