/** Reads known vulnerabilities from `npm audit --json`. Pure. */
interface Report {
  readonly auditReportVersion?: number;
  readonly vulnerabilities?: Readonly<Record<string, Vulnerability>>;
}

interface Vulnerability {
  readonly name: string;
  readonly severity: string;
  readonly nodes: readonly string[];
  readonly via: readonly (string | { readonly title: string; readonly url: string })[];
}

export interface Advisories {
  /** True if the registry gave a report: it does not offline, and behind some mirrors. */
  readonly answered: boolean;
  /** In what is shipped, one line each. */
  readonly shipped: readonly string[];
  /** In what only tools need. */
  readonly others: readonly string[];
}

/** @param output what npm printed, whatever it is @param isShipped of a package's folder, as the lockfile names it */
export function advisoryProblems(output: string, isShipped: (folder: string) => boolean): Advisories {
  const report = parse(output);
  if (report?.auditReportVersion === undefined) return { answered: false, shipped: [], others: [] };
  const all = Object.values(report.vulnerabilities ?? {});
  const reaches = ({ nodes }: Vulnerability) => nodes.some(isShipped);
  return {
    answered: true,
    shipped: all.filter(reaches).map(told),
    others: all.filter((each) => !reaches(each)).map(told),
  };
}

function told({ name, severity, via }: Vulnerability): string {
  const reasons = via.map((each) =>
    typeof each === 'string' ? `by ${each}` : `${each.title} (${each.url})`,
  );
  return `${name}: ${severity}: ${reasons.join('; ')}`;
}

function parse(output: string): Report | undefined {
  try {
    return JSON.parse(output) as Report;
  } catch {
    return undefined;
  }
}
