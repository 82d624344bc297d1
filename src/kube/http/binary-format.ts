/** A format of objects other than JSON. The transport asks for it and sends it, as long as the server takes it. */

export interface BinaryFormat {
  /** The media type of objects; for a watch, the server adds a parameter. */
  readonly mediaType: string;
  /** True if the format has the objects at this path of the API. */
  covers(path: string): boolean;
  /** @throws TypeError for an object that the format does not have */
  encode(object: object): Buffer;
  /**
   * Reads an object, a list or a Status.
   *
   * @param readObject reads the objects, also those of a list
   * @throws Error for bytes of another format
   */
  decode(bytes: Buffer, readObject?: ReadObject): unknown;
  /** Reads one frame of a watch: its event. */
  decodeEvent(frame: Buffer, readObject?: ReadObject): unknown;
}

/**
 * Reads one object, for callers that know most objects beforehand. The bytes are valid during the call only.
 *
 * @param decode reads the object as usual
 */
export type ReadObject = (bytes: Buffer, decode: () => object) => object;
