-- What proves a principal's secret to those who log in by SCRAM, sealed. Gone once it is revoked.
ALTER TABLE principal ADD COLUMN scram BLOB;
