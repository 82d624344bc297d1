/** The text of --help. */
import { ENVIRONMENT_PREFIX, environmentName, QUESTIONS, type Setting, SETTINGS } from './settings.ts';

/** At most 110 columns. */
export function helpText(): string {
  const groups = new Map<string, [flag: string, help: string][]>();
  const add = (group: string, flag: string, help: string) =>
    groups.set(group, [...(groups.get(group) ?? []), [flag, help]]);
  for (const setting of Object.values(SETTINGS) as Setting<string | number | boolean | undefined>[]) {
    const fallback = setting.fallback === undefined ? setting.otherwise : String(setting.fallback);
    add(
      setting.group,
      `--${setting.flag}${setting.value === undefined ? '' : ` ${setting.value}`}`,
      setting.help + (fallback === undefined ? '' : ` [${fallback}]`),
    );
  }
  for (const [flag, help] of Object.entries(QUESTIONS)) add('Information', `--${flag}`, help);
  const width = Math.max(...[...groups.values()].flat().map(([flag]) => flag.length));
  const body = [...groups].map(([group, rows]) =>
    [`${group}:`, ...rows.map(([flag, help]) => `  ${flag.padEnd(width)}  ${help}`)].join('\n'),
  );
  return [
    'Keeps the NetworkPolicies that SegmentationProfiles ask for in every namespace that they select.',
    'Usage: segmentation-operator [FLAG ...]',
    ...body,
    `Each flag is also an environment variable: --log-level is ${environmentName(SETTINGS.logLevel.flag)}.\n` +
      `Flags count before ${ENVIRONMENT_PREFIX}* variables, these before the file of --config, that before the [default].`,
  ].join('\n\n');
}
