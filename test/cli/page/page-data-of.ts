/** The data of a page that the plugin wrote. */
import type { PageData } from '../../../src/cli/reach/page-data.ts';

export function pageDataOf(html: string): PageData {
  const [, json = ''] = /<script type="application\/json" id="data">(.*?)<\/script>/s.exec(html) ?? [];
  return JSON.parse(json) as PageData;
}
