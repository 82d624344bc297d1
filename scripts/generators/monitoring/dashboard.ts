/** Generates config/grafana: a dashboard of the operator's metrics, in Grafana's import format. */
import type { Dashboard, Panel as GrafanaPanel, RowPanel } from '@grafana/schema';
import type { Options as HeatmapOptions } from '@grafana/schema/dist/esm/raw/composable/heatmap/panelcfg/x/HeatmapPanelCfg_types.gen';
import type { Options as StatOptions } from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type { Options as TableOptions } from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import type {
  FieldConfig as TimeSeriesFields,
  Options as TimeSeriesOptions,
} from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';
import { JOB, type Panel, ROWS, type Row } from './dashboard-panels.ts';

/** Grafana's own types, with enumerations as they are in JSON. */
type Plain<T> = T extends string
  ? `${T}`
  : T extends readonly (infer E)[]
    ? readonly Plain<E>[]
    : T extends object
      ? { readonly [K in keyof T]: Plain<T[K]> }
      : T;
/** Grafana's types without the fields that have defaults. */
type Given<T> = Partial<{
  readonly [K in keyof T]: T[K] extends readonly unknown[] ? Plain<T[K]> : Given<Plain<T[K]>>;
}>;
type Variable = NonNullable<NonNullable<Dashboard['templating']>['list']>[number];
/** Variables have a label in Grafana's list, which its types lack. */
type QueryVariable = Plain<Variable> & { readonly definition: string };

const DATASOURCE = { type: 'prometheus', uid: '${datasource}' };

/** The queries of the variables, in order. */
const VARIABLES = [
  { name: 'cluster', label: 'Cluster', metric: 'segmentation_build_info', all: true },
  { name: 'job', label: 'Job', metric: 'segmentation_build_info{cluster=~"$cluster"}', all: false },
  { name: 'profile', label: 'Profile', metric: `segmentation_profile_condition{${JOB}}`, all: true },
];

/** The text of the file, with a line break at its end. */
export function dashboard(): string {
  const model: Plain<Dashboard> = {
    uid: 'segmentation-operator',
    title: 'Segmentation operator',
    description: 'What is enforced where, what was written and why, how fast and how fresh.',
    tags: ['kubernetes', 'network-policy'],
    schemaVersion: 39,
    version: 1,
    editable: true,
    graphTooltip: 1, // one crosshair for all panels
    refresh: '1m',
    time: { from: 'now-6h', to: 'now' },
    timezone: 'browser',
    annotations: { list: [] },
    links: [],
    templating: { list: [datasourceVariable(), ...VARIABLES.map(variable)] },
    panels: layOut(ROWS),
  };
  return `${JSON.stringify(model, null, 2)}\n`;
}

function datasourceVariable(): Plain<Variable> {
  return {
    type: 'datasource',
    name: 'datasource',
    label: 'Data source',
    query: 'prometheus',
    hide: 0,
  };
}

function variable({ name, label, metric, all }: (typeof VARIABLES)[number]): QueryVariable {
  const query = `label_values(${metric}, ${name})`;
  return {
    type: 'query',
    name,
    label,
    datasource: DATASOURCE,
    definition: query,
    query: { query, refId: name },
    refresh: 2, // whenever the time range changes
    sort: 1,
    multi: all,
    includeAll: all,
    ...(all && { allValue: '.*' }),
    ...(all && { current: { text: 'All', value: '$__all' } }),
    hide: 0,
  };
}

/** Places panels from left to right and from top to bottom, each row below its title. */
function layOut(rows: readonly Row[]): Plain<GrafanaPanel | RowPanel>[] {
  const panels: Plain<GrafanaPanel | RowPanel>[] = [];
  let y = 0;
  for (const { title, panels: own } of rows) {
    panels.push({
      id: panels.length + 1,
      type: 'row',
      title,
      collapsed: false,
      gridPos: { x: 0, y, w: 24, h: 1 },
      panels: [],
    });
    y += 1;
    let x = 0;
    let height = 0;
    for (const panel of own) {
      if (x + panel.width > 24) {
        x = 0;
        y += height;
      }
      height = panel.type === 'stat' ? 4 : 8;
      panels.push({ id: panels.length + 1, ...render(panel), gridPos: { x, y, w: panel.width, h: height } });
      x += panel.width;
    }
    y += height;
  }
  return panels;
}

function render({
  type,
  title,
  description,
  queries,
  unit = 'short',
  colours,
  stacked,
  columns,
}: Panel): Plain<GrafanaPanel> {
  const instant = type === 'stat' || type === 'table';
  const steps = colours?.map(([value, color]) => ({ value, color })) ?? [{ value: null, color: 'blue' }];
  return {
    type,
    title,
    description,
    datasource: DATASOURCE,
    targets: queries.map(({ expr, legend }, index) => ({
      refId: String.fromCharCode(65 + index),
      datasource: DATASOURCE,
      expr,
      ...(legend !== undefined && { legendFormat: legend }),
      ...(instant ? { instant: true, range: false } : { range: true }),
      ...(type === 'table' && { format: 'table' }),
      ...(type === 'heatmap' && { format: 'heatmap' }),
    })),
    fieldConfig: {
      defaults: {
        unit,
        min: 0,
        color: { mode: type === 'stat' ? 'thresholds' : 'palette-classic' },
        thresholds: { mode: 'absolute', steps },
        custom: type === 'timeseries' ? fieldsOf(stacked === true, colours !== undefined) : {},
      },
      overrides: [],
    },
    ...(columns !== undefined && { transformations: columnsOnly(columns) }),
    options: optionsOf(type, unit),
  };
}

/** A table with a row for each value of the labels, and these columns in this order. */
function columnsOnly(
  columns: Readonly<Record<string, string>>,
): NonNullable<Plain<GrafanaPanel>['transformations']> {
  return [
    { id: 'merge', options: {} },
    { id: 'filterFieldsByName', options: { include: { names: Object.keys(columns) } } },
    {
      id: 'organize',
      options: {
        indexByName: Object.fromEntries(Object.keys(columns).map((name, index) => [name, index])),
        renameByName: columns,
      },
    },
  ];
}

function optionsOf(type: Panel['type'], unit: string): Readonly<Record<string, unknown>> {
  switch (type) {
    case 'stat':
      return {
        reduceOptions: { calcs: ['lastNotNull'] },
        colorMode: 'value',
        graphMode: 'none',
      } satisfies Given<StatOptions>;
    case 'heatmap':
      return {
        calculate: false,
        yAxis: { unit },
        color: { scheme: 'Blues', mode: 'scheme' },
      } satisfies Given<HeatmapOptions>;
    case 'timeseries':
      return {
        legend: { displayMode: 'list', placement: 'bottom' },
        tooltip: { mode: 'multi', sort: 'desc' },
      } satisfies Given<TimeSeriesOptions>;
    case 'table':
      return { showHeader: true } satisfies Given<TableOptions>;
  }
}

function fieldsOf(stacked: boolean, bounded: boolean) {
  return {
    fillOpacity: stacked ? 30 : 5,
    stacking: { mode: stacked ? 'normal' : 'none' },
    thresholdsStyle: { mode: bounded ? 'dashed' : 'off' },
  } satisfies Given<TimeSeriesFields>;
}
