/**
 * Egress to a mesh without sidecars. Pure.
 *
 * Only the destination's side of the tunnel has policies. Once the tunnel's port is open for egress, the destination alone
 * decides about the ports behind it. So a rule without ports is exact as it is, as it allows the tunnel's port too. A rule with
 * ports can't be carried: it would allow every port that the destination serves.
 */
import type { NetworkPolicy } from '../../../api/network-policy.ts';
import { noteText, notesOf } from '../../../policy/notes.ts';
import { rulesOf } from '../../../policy/semantics/normalize.ts';
import { matches } from '../../../policy/semantics/selector.ts';
import type { NamespaceFacts } from '../../../policy/facts.ts';
import { isBesideTunnel } from './ports.ts';

/** @param ambient the namespaces of the mesh @returns the names of the rules with ports to pods of these, sorted */
export function rulesBeyondTunnel(
  policies: readonly NetworkPolicy[],
  ambient: readonly NamespaceFacts[],
  port: number,
): string[] {
  const names = policies.flatMap((policy) => {
    const notes = notesOf(policy);
    return rulesOf(policy.spec, 'Egress').flatMap(({ peers = [], ports }, index) => {
      const reachesMesh = peers.some(
        ({ ipBlock, namespaceSelector }) =>
          ipBlock === undefined &&
          ambient.some(({ name, labels }) =>
            namespaceSelector === undefined
              ? name === policy.metadata.namespace
              : matches(namespaceSelector, labels),
          ),
      );
      if (!reachesMesh || !isBesideTunnel(ports, port)) return [];
      const note = notes[index];
      return [note === undefined ? policy.metadata.name : noteText(note)];
    });
  });
  return [...new Set(names)].sort();
}
