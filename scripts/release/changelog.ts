/** Reads CHANGELOG.md. Pure. */

/**
 * The section of a version, without its heading.
 *
 * @throws Error if there is none, or it is empty
 */
export function releaseNotes(changelog: string, version: string): string {
  const sections = changelog.split(/^## /m);
  const section = sections.find((each) => each.startsWith(`${version} `) || each.startsWith(`${version}\n`));
  const notes = section?.slice(section.indexOf('\n')).trim();
  if (!notes)
    throw new Error(`CHANGELOG.md has no section "## ${version}": move what is under "Unreleased" there`);
  return notes;
}
