/** Short texts for selectors, ports and peers of policies, in kubectl's notation. */
import type { LabelSelector } from '../../api/meta.ts';
import { LABEL_NAMESPACE_NAME } from '../../api/names.ts';
import type { NetworkPolicyPeer, NetworkPolicyPort } from '../../api/network-policy.ts';
import { selectorTerms } from '../../policy/semantics/selector.ts';
import { shortList } from '../../util/list-text.ts';

export function selectorText(selector: LabelSelector): string {
  return selectorTerms(selector).join(',') || '<none>';
}

export function portText({ protocol = 'TCP', port, endPort }: NetworkPolicyPort): string {
  return port === undefined
    ? `every ${protocol} port`
    : `${protocol} ${port}${endPort === undefined ? '' : `-${endPort}`}`;
}

/** Number of peers that a text names; the rest is counted. */
const MOST_PEERS = 4;

export function peersText(peers: readonly NetworkPolicyPeer[] | undefined): string {
  if (peers === undefined || peers.length === 0) return 'everyone';
  const texts = peers.map(peerText);
  return shortList(texts, { most: MOST_PEERS });
}

function peerText({ ipBlock, namespaceSelector, podSelector }: NetworkPolicyPeer): string {
  if (ipBlock !== undefined) {
    const { cidr, except = [] } = ipBlock;
    return except.length === 0 ? cidr : `${cidr} except ${shortList(except)}`;
  }
  const pods =
    podSelector === undefined || selectorText(podSelector) === '<none>'
      ? 'all pods'
      : `pods ${selectorText(podSelector)}`;
  if (namespaceSelector === undefined) return `${pods} of the namespace`;
  const text = selectorText(namespaceSelector);
  const names = namesOf(namespaceSelector);
  if (names !== undefined) return `${pods} of ${names.join(', ')}`;
  return text === '<none>' ? `${pods} of every namespace` : `${pods} of namespaces ${text}`;
}

/** The namespaces that a selector lists by name; undefined if it selects by anything else. */
function namesOf({ matchLabels = {}, matchExpressions = [] }: LabelSelector): readonly string[] | undefined {
  const [[key, value] = [], ...others] = Object.entries(matchLabels);
  const [expression, ...more] = matchExpressions;
  if (key === LABEL_NAMESPACE_NAME && value !== undefined && others.length + matchExpressions.length === 0)
    return [value];
  if (expression?.key !== LABEL_NAMESPACE_NAME || expression.operator !== 'In') return undefined;
  return more.length + Object.keys(matchLabels).length === 0 ? expression.values : undefined;
}
