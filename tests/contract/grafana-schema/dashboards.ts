// What a dashboard of conche may hold, in Grafana's own types: one type of panel for each branch that is checked.
import type * as grafana from '@grafana/schema';
import type * as state from '@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen';
import type * as stat from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type * as table from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import type * as series from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';

// Grafana publishes no type of an InfluxQL query; the keys are those of its plugin's InfluxQuery.
export interface InfluxTarget {
  refId: string;
  datasource: Source;
  query: string;
  rawQuery: true;
  resultFormat: 'time_series' | 'table';
  alias?: string;
}

export interface InfluxAnnotation {
  refId: string;
  datasource: Source;
  query: string;
  rawQuery: true;
  fromAnnotations: true;
  queryType: 'tags';
  textEditor: true;
  name: string;
  textColumn: string;
  tagsColumn: string;
}

export interface Source {
  type: string;
  uid: string;
}

export interface DataLink {
  title: string;
  url: string;
}

// Each panel names its types Options and FieldConfig: a copy has no name, so they are not taken for one another.
type Copy<Type> = { [Key in keyof Type]: Type[Key] };

type FieldConfigOf<Custom> = Omit<grafana.FieldConfig, 'custom' | 'links'> & { custom?: Custom; links?: DataLink[] };

export interface Override {
  matcher: { id: 'byName' | 'byRegexp' | 'byType' | 'byFrameRefID'; options: string };
  properties: Array<{ id: string; value: unknown }>;
}

type PanelOf<Type extends string, Options, Custom> = Omit<
  grafana.Panel,
  'type' | 'options' | 'fieldConfig' | 'targets' | 'datasource' | 'id'
> & {
  id: number;
  type: Type;
  options: Options;
  fieldConfig: { defaults: FieldConfigOf<Custom>; overrides: Override[] };
  targets: InfluxTarget[];
  datasource: Source;
};

// The published type lacks what the panel reads and the SDK writes: when to break a line where values are missing.
type StateCustom = Copy<state.FieldConfig> & { insertNulls?: boolean | number; spanNulls?: boolean | number };

export type StateTimeline = PanelOf<'state-timeline', Copy<state.Options>, StateCustom>;
export type Stat = PanelOf<'stat', Copy<stat.Options>, Record<string, never>>;
export type Table = PanelOf<'table', Copy<table.Options>, grafana.TableFieldOptions>;
export type TimeSeries = PanelOf<'timeseries', Copy<series.Options>, Copy<series.FieldConfig>>;
export type Row = Omit<grafana.RowPanel, 'panels'> & { panels: never[] };

export type Variable = Omit<grafana.VariableModel, 'datasource' | 'query'> & { datasource: Source; query: string };

export interface Annotation extends Omit<grafana.AnnotationQuery, 'target' | 'datasource'> {
  datasource: Source;
  target: InfluxAnnotation;
}

export type Dashboard = Omit<grafana.Dashboard, 'panels' | 'templating' | 'annotations'> & {
  panels: Array<Record<string, unknown>>;
  templating: { list: Variable[] };
  annotations: { list: Annotation[] };
};
