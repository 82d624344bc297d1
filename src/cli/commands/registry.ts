/** The commands, in the order of the help text. A new command is registered here. */
import type { Command } from '../shell/command.ts';
import { audit } from './audit/command.ts';
import { check } from './check/command.ts';
import { completion } from './completion/command.ts';
import { convert } from './convert/command.ts';
import { denied } from './denied/command.ts';
import { diff } from './diff/command.ts';
import { exception } from './exception/command.ts';
import { explain } from './explain/command.ts';
import { graph } from './graph/command.ts';
import { guard } from './guard/command.ts';
import { matrix } from './matrix/command.ts';
import { preflight } from './preflight/command.ts';
import { render } from './render/command.ts';
import { rollout } from './rollout/command.ts';
import { status } from './status/command.ts';
import { suggest } from './suggest/command.ts';
import { unused } from './unused/command.ts';
import { verify } from './verify/command.ts';
import { workloads } from './workloads/command.ts';

export const COMMANDS: readonly Command[] = [
  status,
  rollout,
  explain,
  diff,
  check,
  audit,
  workloads,
  render,
  convert,
  preflight,
  guard,
  denied,
  suggest,
  unused,
  exception,
  verify,
  matrix,
  graph,
  completion,
];
