/** Cilium's own policy engine as a judge: which flows pass under policies of every kind, and which policies it refuses. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { goTool } from '../../env/tooling/go-tool.ts';

export interface JudgedPod {
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly serviceAccount: string;
  readonly namespaceLabels: Readonly<Record<string, string>>;
}

/** `from` and `to`: NAMESPACE/NAME of a pod, or the name of another end. */
export interface JudgedFlow {
  readonly from: string;
  readonly to: string;
  readonly protocol: 'TCP' | 'UDP';
  readonly port: number;
}

export interface Question {
  readonly pods: readonly JudgedPod[];
  /** Ends that are no pods, with the labels of their identities, such as reserved:kube-apiserver. */
  readonly ends?: readonly { readonly name: string; readonly labels: readonly string[] }[];
  readonly policies: readonly object[];
  readonly flows: readonly JudgedFlow[];
}

export interface Judgement {
  /** True for each flow that passes, in the order of the question. */
  readonly verdicts: readonly boolean[];
  /** Names of policies that Cilium's agent would refuse. */
  readonly refused: readonly string[];
}

export type CiliumJudge = (questions: readonly Question[]) => Judgement[];

/** Resolves with the judge, which is built if it is missing. @throws Error with Go's messages */
export async function ciliumJudge(): Promise<CiliumJudge> {
  const command = await goTool({
    name: 'cilium-policies',
    module: 'cilium-policies',
    package: '.',
    title: "Cilium's policy engine",
    usualTime: 'it takes about three minutes on 2 cores',
  });
  return (questions) => {
    const input = questions.map((each) => JSON.stringify(each)).join('\n');
    const { status, stdout, stderr } = spawnSync(command, { input, encoding: 'utf8', maxBuffer: 2 ** 28 });
    assert.equal(status, 0, stderr);
    return stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Judgement);
  };
}

export const flowText = ({ from, to, protocol, port }: JudgedFlow) => `${from} > ${to} ${protocol} ${port}`;
