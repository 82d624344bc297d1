/** The operators that are measured beside each other, each driven through an object of its own kind. */
import { peerBinary } from './peers.ts';
import { startOperator } from './operator.ts';
import { Program } from './program.ts';
import { EDITED_PORT, type PolicyTemplate, RULE_PORT, type Stage } from './stage.ts';

export interface Contender {
  /** Starts it, and resolves when its caches are filled. */
  start(stage: Stage): Promise<Program>;
  /** Asks for the policies in all namespaces with the label `bench: NAME`. */
  create(stage: Stage, name: string): Promise<void>;
  /** Changes the port of one rule, and so one policy of each namespace. */
  edit(stage: Stage, name: string): Promise<void>;
}

/** The operator, with a profile. */
export const OPERATOR: Contender = {
  start: (stage) => startOperator(stage.kubeconfig),
  create: (stage, name) => stage.createProfile(name),
  edit: (stage, name) => stage.editProfile(name, EDITED_PORT),
};

const POLICY_SETS = '/apis/bench.segmentation.dev/v1/policysets';

/** The peer, with a PolicySet of the same policies. */
export function peer(templates: readonly PolicyTemplate[]): Contender {
  const policies = (name: string) =>
    templates.map((template) => ({ ...template, name: `${name}.${template.name}` }));
  return {
    async start(stage) {
      const program = new Program('peer', await peerBinary(), ['--kubeconfig', stage.peerKubeconfig]);
      await program.line('caches filled');
      return program;
    },
    async create(stage, name) {
      await stage.plane.admin.send('POST', POLICY_SETS, {
        apiVersion: 'bench.segmentation.dev/v1',
        kind: 'PolicySet',
        metadata: { name },
        spec: { namespaceSelector: { matchLabels: { bench: name } }, policies: policies(name) },
      });
    },
    async edit(stage, name) {
      const edited = JSON.stringify(policies(name)).replaceAll(
        `"port":${RULE_PORT}`,
        `"port":${EDITED_PORT}`,
      );
      await stage.plane.admin.send('PATCH', `${POLICY_SETS}/${name}`, {
        spec: { policies: JSON.parse(edited) },
      });
    },
  };
}
