"""The tierbreak engine: bank-statement descriptors into brands, every answer explained."""
