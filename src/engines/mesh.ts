/** The service meshes that the operator knows. Pure. */

/** `None`: nothing of a mesh is read or written. */
export const MESH_SETTINGS = ['None', 'Istio'] as const;
export type MeshSetting = (typeof MESH_SETTINGS)[number];
