/** Gathers the traces of engines by reads that the caller carries out: a few single ones, no lists and no watches. */
import type { AgentName, AgentState, EngineEvidence, EngineSignature } from './signature.ts';

export interface EvidenceReads {
  /** The groups that the API server serves; undefined if it does not say. */
  readonly groups: () => Promise<ReadonlySet<string> | undefined>;
  readonly agent: (name: AgentName) => Promise<AgentState>;
}

export async function gatherEvidence(
  signatures: readonly EngineSignature[],
  { groups, agent }: EvidenceReads,
): Promise<readonly EngineEvidence[]> {
  const [served, ...agents] = await Promise.all([
    groups(),
    ...signatures.map((signature) =>
      Promise.all(signature.agents.map(async (name) => ({ name, state: await agent(name) }))),
    ),
  ]);
  return signatures.map((signature, index) => ({
    signature,
    agents: agents[index] ?? [],
    servedGroups: served && signature.groups.filter((group) => served.has(group)),
  }));
}
