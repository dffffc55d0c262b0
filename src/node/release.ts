/** The version of this package. A test holds it equal to package.json. */
export const RELEASE_VERSION = "0.1.0";
