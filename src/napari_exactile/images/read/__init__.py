"""Files of people become arrays that are read box by box. Writes nothing."""
