/** The forms of profiles: each is a profile with the intent of one of its revisions. Pure but for a cache. */
import type { SegmentationProfile } from '../api/profile.ts';
import { type Revision, withIntent } from './revision.ts';

export class RevisionForms {
  /** By profile, then by the number of the revision. The same form is the same object, by which results are cached. */
  readonly #forms = new WeakMap<SegmentationProfile, Map<number, SegmentationProfile>>();

  formOf(profile: SegmentationProfile, { number, intent }: Revision): SegmentationProfile {
    let forms = this.#forms.get(profile);
    if (forms === undefined) this.#forms.set(profile, (forms = new Map()));
    let form = forms.get(number);
    if (form === undefined) forms.set(number, (form = withIntent(profile, intent)));
    return form;
  }
}
