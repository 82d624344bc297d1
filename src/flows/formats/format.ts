/** The interface of a format of flow logs. Each format has a file of its own, and an entry in index.ts. */
import type { Reading } from '../flow.ts';

export type JsonRecord = Readonly<Record<string, unknown>>;

/** A line of a log: its text, and the object if it is one in JSON. */
export interface LogLine {
  readonly text: string;
  readonly json: JsonRecord | undefined;
}

export interface FlowFormat {
  /** Value of `--format`. */
  readonly name: string;
  /** True if the line is of this format. */
  readonly detects: (line: LogLine) => boolean;
  /** A reader of one file. A file may begin with the names of its fields, so readers keep these. */
  readonly reader: () => (line: LogLine) => Reading;
}
