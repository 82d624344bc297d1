/** A file of .github, by its path from the root of the repository. */
export interface GitHubFile {
  readonly path: string;
  readonly text: string;
}
