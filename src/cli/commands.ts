/** The commands, in the order in which the help text lists them. A new one is registered here. */
import type { Command } from './command.ts';
import { check } from './commands/check.ts';
import { completion } from './commands/completion.ts';
import { diff } from './commands/diff.ts';
import { explain } from './commands/explain.ts';
import { graph } from './commands/graph.ts';
import { matrix } from './commands/matrix.ts';
import { render } from './commands/render.ts';
import { status } from './commands/status.ts';

export const COMMANDS: readonly Command[] = [status, explain, diff, check, render, matrix, graph, completion];
