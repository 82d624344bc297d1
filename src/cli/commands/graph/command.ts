/** `graph`: draws who may talk to whom: as an HTML page, in Mermaid, or in Graphviz's DOT. */
import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from '../../shell/command.ts';
import { CliError, EXIT, UsageError } from '../../shell/failure.ts';
import { toHtml } from '../../reach/html.ts';
import { BY_FLAG, reachOf } from '../../reach/snapshot-reach.ts';
import { toDot, toMermaid } from '../../reach/text.ts';
import { errorMessage } from '../../../util/error-message.ts';
import { counted } from '../../../util/list-text.ts';

/** The default limit of Mermaid (`maxEdges`). */
const MERMAID_EDGES = 500;

export const graph: Command = {
  name: 'graph',
  summary: 'who may talk to whom, as a page to explore or a diagram',
  usage: '',
  words: [0, 0],
  description: [
    'Writes one HTML page that needs nothing else, neither a network nor files: a graph and a matrix to search, filter\n' +
      'and zoom, with the reason for each two that may talk or not. Or a diagram for documents, as Mermaid or DOT.',
  ],
  examples: [
    { what: 'a page of the whole cluster', line: 'graph --write segmentation.html' },
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
    {
      name: 'write',
      short: 'w',
      value: 'FILE',
      completes: 'files',
      help: 'write to this file instead of the output',
    },
  ],
  formats: ['html', 'mermaid', 'dot'],
  takes: { cluster: true, namespaces: true },
  async run({ flags, format, process, terminal, namespace, load }) {
    const file = flags.get('write');
    const by = flags.get('by');
    if (format === 'html' && by !== undefined) {
      throw new UsageError('--by is for diagrams: the page has both, and a switch between them');
    }
    if (format === 'html' && file === undefined && process.stdout.isTTY === true) {
      throw new UsageError('a page is nothing for a terminal: add --write segmentation.html, or -o mermaid');
    }
    const snapshot = await load();
    const reach = reachOf(snapshot, by, namespace, terminal);
    const text =
      format === 'mermaid'
        ? toMermaid(reach)
        : format === 'dot'
          ? toDot(reach)
          : toHtml(reach, {
              title: 'Who may talk to whom',
              source: `${snapshot.origin}, ${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC`,
              namespaces: snapshot.namespaces,
            });
    if (format === 'mermaid' && reach.links.length > MERMAID_EDGES) {
      terminal.warn(
        `${counted(reach.links.length, 'link')}: Mermaid draws ${MERMAID_EDGES} unless told otherwise (maxEdges); ` +
          'narrow it by -n or --by namespace',
      );
    }
    if (file === undefined) terminal.write(text);
    else {
      try {
        writeFileSync(resolve(process.cwd, file), text);
      } catch (error) {
        throw new CliError(`can't write ${file}: ${errorMessage(error)}`);
      }
      terminal.note(
        `wrote ${file}: ${counted(reach.groups.length, 'group')}, ${counted(reach.links.length, 'link')}`,
      );
    }
    return EXIT.yes;
  },
};
