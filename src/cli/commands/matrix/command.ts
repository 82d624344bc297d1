/** `matrix`: shows who may talk to whom as a table. */
import type { Command } from '../../shell/command.ts';
import { EXIT } from '../../shell/failure.ts';
import { BY_FLAG, noteMissingPods, noteUnknownLinks, reachOf } from '../../reach/snapshot-reach.ts';
import { type CellKind, linkTable, matrixText } from '../../reach/table.ts';
import { layersFor } from '../../snapshot/layers.ts';
import { ONLY_NETWORK_POLICIES } from '../../snapshot/load.ts';
import { toCsv, toDocument } from '../../reach/text.ts';
import { table, toJson, toYaml } from '../../shell/output.ts';
import { counted } from '../../../util/list-text.ts';

export const matrix: Command = {
  name: 'matrix',
  summary: 'who may talk to whom, by workload or namespace, as a table',
  usage: '',
  words: [0, 0],
  description: [
    'Shows who may talk to whom: rows to columns, where the terminal is wide enough, and otherwise a line for each two\n' +
      "that may, with the ports. Other people's policies count as they do in the cluster, those of network engines and of the\n" +
      'mesh too. Ports are unknown if that depends on a part of them that can not be evaluated.',
    'Not shown, because it is always allowed: a pod to itself, and what comes from its own node. Addresses outside of\n' +
      'the pods are shown as the rules name them.',
  ],
  examples: [
    { what: 'the whole cluster by namespace', line: 'matrix --by namespace' },
    {
      what: 'the workloads of one namespace and whom they talk to, with ports',
      line: 'matrix -n shop-checkout -o wide',
    },
    { what: 'for a spreadsheet', line: 'matrix -o csv > matrix.csv' },
    {
      what: 'who can be reached from everywhere, for a script',
      line: `kubectl segmentation matrix -o json | jq -r '.links[] | select(.from == "any address").to'`,
    },
  ],
  flags: [BY_FLAG, ONLY_NETWORK_POLICIES],
  formats: ['table', 'wide', 'csv', 'json', 'yaml'],
  takes: { cluster: true, namespaces: true },
  async run({ flags, format, terminal, namespace, load }) {
    const snapshot = await load({ forLayers: true });
    const layers = layersFor(snapshot, flags);
    const reach = reachOf(snapshot, {
      by: flags.get('by'),
      namespace,
      layers,
      namesLayers: format !== 'table',
    });
    noteMissingPods(snapshot, terminal);
    noteUnknownLinks(reach, layers, terminal);
    if (format === 'csv') terminal.write(toCsv(reach));
    else if (format === 'json') terminal.write(toJson(toDocument(reach)));
    else if (format === 'yaml') terminal.write(toYaml(toDocument(reach)));
    else {
      const { paint, width } = terminal;
      const colours: Readonly<Record<CellKind, (text: string) => string>> = {
        open: paint.yellow,
        some: paint.green,
        unknown: paint.yellow,
        none: paint.dim,
      };
      const drawn =
        format === 'wide' || width === undefined
          ? undefined
          : matrixText(reach, width, (kind, text) => colours[kind](text));
      if (drawn !== undefined) terminal.print(drawn.lines, '', paint.dim(drawn.legend));
      else if (reach.links.length > 0) terminal.print(table(...linkTable(reach)));
      else if (snapshot.pods.length > 0) {
        const scope = namespace === undefined ? '' : ` from or to namespace ${namespace}`;
        terminal.note(`policies allow no flow${scope}: neither between workloads, nor from or to addresses`);
      }
      if (drawn === undefined && format === 'table' && width !== undefined && reach.groups.length > 0) {
        terminal.note(
          `${counted(reach.groups.length, 'row')} and columns do not fit this terminal: a line for each two that may talk`,
        );
      }
    }
    return EXIT.yes;
  },
};
