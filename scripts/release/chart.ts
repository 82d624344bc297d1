/** The values of a released chart. Pure. */
import { parseDocument } from 'yaml';

/** The text of values.yaml with the released image as default; comments stay. @param image NAME@sha256:... */
export function releasedValues(values: string, image: string): string {
  const [repository = '', digest] = image.split('@');
  if (digest === undefined || !/^sha256:[0-9a-f]{64}$/.test(digest)) {
    throw new Error(`${image} has no digest: write NAME@sha256:...`);
  }
  const document = parseDocument(values);
  document.setIn(['image', 'repository'], repository);
  document.setIn(['image', 'digest'], digest);
  const map = document.get('image', true) as { commentBefore?: string | null };
  map.commentBefore = ' The image of this release.';
  return document.toString({ lineWidth: 0, flowCollectionPadding: false });
}
