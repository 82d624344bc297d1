/** `graph`: draws who may talk to whom: as an HTML page, in Mermaid, or in Graphviz's DOT. */
import type { Reach } from '../../../analysis/reach/reach.ts';
import { counted } from '../../../util/list-text.ts';
import { FLOW_FLAGS } from '../../flows/flags.ts';
import { pageSeen } from '../../flows/page-seen.ts';
import { pageAudit } from '../../findings/encode.ts';
import { auditReport } from '../../findings/run.ts';
import { sourceText, toHtml } from '../../reach/html.ts';
import {
  BY_FLAG,
  layerNames,
  noteMissingPods,
  noteUnknownLinks,
  pageReach,
  reachOf,
} from '../../reach/snapshot-reach.ts';
import { layersFor } from '../../snapshot/layers.ts';
import { ONLY_NETWORK_POLICIES } from '../../snapshot/load.ts';
import { toDot, toMermaid } from '../../reach/text.ts';
import type { Call, Command } from '../../shell/command.ts';
import { EXIT, UsageError } from '../../shell/failure.ts';
import { refusePageOnTerminal, WRITE_FLAG, writeDocument } from '../../shell/output-file.ts';
import type { Terminal } from '../../shell/terminal.ts';
import type { Snapshot } from '../../../snapshot/snapshot.ts';

/** The default limit of Mermaid (`maxEdges`). */
const MERMAID_EDGES = 500;

export const graph: Command = {
  name: 'graph',
  summary: 'who may talk to whom, as a page to explore or a diagram',
  usage: '',
  words: [0, 0],
  description: [
    'Writes one HTML page that needs nothing else, neither a network nor files: a graph and a matrix to search, filter\n' +
      'and zoom, with the reason for each two that may talk or not, and the findings of audit at each workload. Or a\n' +
      'diagram for documents, as Mermaid or DOT.',
    'With flow logs (--flows, --loki), the page shows what was seen: allowed and seen, allowed and never seen, and denied.',
  ],
  examples: [
    { what: 'a page of the whole cluster', line: 'graph --write segmentation.html' },
    {
      what: 'a page that shows what was seen over what is allowed',
      line: 'graph --flows flows.jsonl --write segmentation.html',
    },
    {
      what: 'what manifests lead to, as a diagram for a pull request',
      line: 'graph -k overlays/production -o mermaid',
    },
    {
      what: 'a picture by Graphviz',
      line: 'kubectl segmentation graph --by namespace -o dot | dot -Tsvg > graph.svg',
    },
  ],
  flags: [
    BY_FLAG,
    ONLY_NETWORK_POLICIES,
    WRITE_FLAG,
    ...FLOW_FLAGS,
    {
      name: 'without-findings',
      help: 'leave the findings of audit out of the page, and read only what links need',
    },
  ],
  formats: ['html', 'mermaid', 'dot'],
  takes: { cluster: true, namespaces: true },
  async run(call) {
    const { flags, format, terminal, namespace, load } = call;
    const by = flags.get('by');
    if (format === 'html') refusePageFlags(call);
    else refuseDiagramFlags(call);
    const isAudited = format === 'html' && !flags.has('without-findings');
    const snapshot = await load({ forAudit: isAudited, forLayers: true });
    noteMissingPods(snapshot, terminal);
    if (format === 'html') {
      const { text, counts } = await page(call, snapshot, isAudited);
      writeDocument(text, counts, call);
    } else {
      const layers = layersFor(snapshot, flags);
      const reach = reachOf(snapshot, { by, namespace, layers, namesLayers: true });
      noteUnknownLinks(reach, layers, terminal);
      if (format === 'mermaid') warnOfManyLinks(reach, terminal);
      writeDocument(format === 'mermaid' ? toMermaid(reach) : toDot(reach), countsOf(reach), call);
    }
    return EXIT.yes;
  },
};

/** The page, and what it has. */
async function page(
  call: Call,
  snapshot: Snapshot,
  isAudited: boolean,
): Promise<{ readonly text: string; readonly counts: string }> {
  const { namespace, terminal, flags } = call;
  const layers = layersFor(snapshot, flags);
  const { reach, ...joined } = pageReach(snapshot, { namespace, layers }, terminal);
  noteUnknownLinks(reach, layers, terminal);
  const seen =
    flags.has('flows') || flags.has('loki') ? await pageSeen(call, snapshot, { reach, layers }) : undefined;
  if (isAudited) terminal.progress(`checking ${snapshot.origin}`);
  const report = isAudited ? auditReport(snapshot, { namespace, now: new Date() }) : undefined;
  const text = toHtml(reach, {
    ...joined,
    title: 'Who may talk to whom',
    source: sourceText(snapshot.origin, namespace),
    namespaces: snapshot.namespaces,
    view: 'graph',
    layers: layerNames(layers),
    ...(report && { audit: pageAudit(report) }),
    ...(seen && { seen }),
  });
  const findings = report === undefined ? '' : `, ${counted(report.findings.length, 'finding')}`;
  return { text, counts: countsOf(reach) + findings };
}

function countsOf({ groups, links }: Reach): string {
  return `${counted(groups.length, 'group')}, ${counted(links.length, 'link')}`;
}

function refusePageFlags({ flags, process }: Call): void {
  if (flags.has('by')) {
    throw new UsageError('--by is for diagrams: the page has both, and a switch between them');
  }
  refusePageOnTerminal(flags, process, '-o mermaid');
}

function refuseDiagramFlags({ flags }: Call): void {
  for (const name of ['without-findings', 'flows', 'loki'])
    if (flags.has(name)) throw new UsageError(`--${name} is for the page: a diagram has none`);
}

function warnOfManyLinks({ links }: Reach, terminal: Terminal): void {
  if (links.length <= MERMAID_EDGES) return;
  terminal.warn(
    `${counted(links.length, 'link')}: Mermaid draws ${MERMAID_EDGES} unless told otherwise (maxEdges); ` +
      'narrow it by -n or --by namespace',
  );
}
