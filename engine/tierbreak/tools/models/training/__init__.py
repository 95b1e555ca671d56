"""Making models: from an encoder and the registry to the folder that tier `model` loads. Needs the extra `train`."""
