/** The provider's version, as the engine records it in the state. */
export const VERSION = "0.1.0";
