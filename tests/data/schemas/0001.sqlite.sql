BEGIN TRANSACTION;
CREATE TABLE accounts (
	workload VARCHAR(26) NOT NULL, 
	name VARCHAR(32) NOT NULL, 
	salt BLOB NOT NULL, 
	digest BLOB NOT NULL, 
	CONSTRAINT pk_accounts PRIMARY KEY (workload), 
	CONSTRAINT fk_accounts_workload FOREIGN KEY(workload) REFERENCES workloads (id) ON DELETE CASCADE
);
INSERT INTO "accounts" VALUES('01hf0000000000000000000900','w0900',X'73737373737373737373737373737373',X'6464646464646464646464646464646464646464646464646464646464646464');
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE attempts (
	id VARCHAR(34) NOT NULL, 
	task VARCHAR(26) NOT NULL, 
	number INTEGER NOT NULL, 
	site VARCHAR(63) NOT NULL, 
	incarnation VARCHAR(64) NOT NULL, 
	state VARCHAR(8) NOT NULL, 
	outcome VARCHAR(16), 
	reason TEXT NOT NULL, 
	lease_until_us BIGINT NOT NULL, 
	created_us BIGINT NOT NULL, 
	started_us BIGINT, 
	ended_us BIGINT, 
	log TEXT NOT NULL, 
	CONSTRAINT pk_attempts PRIMARY KEY (id), 
	CONSTRAINT fk_attempts_task FOREIGN KEY(task) REFERENCES tasks (id) ON DELETE CASCADE
);
INSERT INTO "attempts" VALUES('01hf0000000000000000000001-1','01hf0000000000000000000001',1,'local','first','leased',NULL,'',1700000030000000,1700000000000000,1700000000000005,NULL,'{}');
INSERT INTO "attempts" VALUES('01hf0000000000000000000002-1','01hf0000000000000000000002',1,'local','first','started',NULL,'',1700000030000000,1700000000000000,1700000000000005,NULL,'{}');
INSERT INTO "attempts" VALUES('01hf0000000000000000000003-1','01hf0000000000000000000003',1,'local','first','finished','COMPLETE','x',1700000030000000,1700000000000000,1700000000000005,1700000000000009,'{}');
INSERT INTO "attempts" VALUES('01hf0000000000000000000004-1','01hf0000000000000000000004',1,'local','first','lost','LOST','x',1700000030000000,1700000000000000,1700000000000005,1700000000000009,'{}');
INSERT INTO "attempts" VALUES('01hf0000000000000000000004-2','01hf0000000000000000000004',2,'local','first','finished','EXECUTOR_ERROR','x',1700000030000000,1700000000000000,1700000000000005,1700000000000009,'{}');
INSERT INTO "attempts" VALUES('01hf0000000000000000000006-1','01hf0000000000000000000006',1,'local','first','started',NULL,'',1700000030000000,1700000000000000,1700000000000005,NULL,'{}');
INSERT INTO "attempts" VALUES('01hf0000000000000000000007-1','01hf0000000000000000000007',1,'local','first','finished','COMPLETE','x',1700000030000000,1700000000000000,1700000000000005,1700000000000009,'{}');
CREATE TABLE sites (
	name VARCHAR(63) NOT NULL, 
	incarnation VARCHAR(64) NOT NULL, 
	tags TEXT NOT NULL, 
	cpu_cores FLOAT NOT NULL, 
	ram_gb FLOAT NOT NULL, 
	disk_gb FLOAT NOT NULL, 
	slots INTEGER NOT NULL, 
	mounts_workspace INTEGER NOT NULL, 
	seen_us BIGINT NOT NULL, 
	CONSTRAINT pk_sites PRIMARY KEY (name)
);
INSERT INTO "sites" VALUES('local','first','{"disk":"nvme"}',8.0,16.0,100.0,64,1,1700000000000000);
CREATE TABLE task_parents (
	workload VARCHAR(26) NOT NULL, 
	sequence BIGINT NOT NULL, 
	total INTEGER, 
	CONSTRAINT pk_task_parents PRIMARY KEY (workload)
);
INSERT INTO "task_parents" VALUES('01hf0000000000000000000900',9,2);
CREATE TABLE task_tags (
	task VARCHAR(26) NOT NULL, 
	"key" TEXT NOT NULL, 
	value TEXT NOT NULL, 
	CONSTRAINT pk_task_tags PRIMARY KEY (task, "key"), 
	CONSTRAINT fk_task_tags_task FOREIGN KEY(task) REFERENCES tasks (id) ON DELETE CASCADE
);
INSERT INTO "task_tags" VALUES('01hf0000000000000000000000','rule','align');
INSERT INTO "task_tags" VALUES('01hf0000000000000000000000','sample','align[0]');
INSERT INTO "task_tags" VALUES('01hf0000000000000000000001','rule','align');
INSERT INTO "task_tags" VALUES('01hf0000000000000000000001','sample','align[1]');
INSERT INTO "task_tags" VALUES('01hf0000000000000000000002','rule','align');
INSERT INTO "task_tags" VALUES('01hf0000000000000000000002','sample','align[2]');
INSERT INTO "task_tags" VALUES('01hf0000000000000000000003','rule','align');
INSERT INTO "task_tags" VALUES('01hf0000000000000000000003','sample','align[3]');
INSERT INTO "task_tags" VALUES('01hf0000000000000000000004','rule','align');
INSERT INTO "task_tags" VALUES('01hf0000000000000000000004','sample','align[4]');
INSERT INTO "task_tags" VALUES('01hf0000000000000000000005','rule','align');
INSERT INTO "task_tags" VALUES('01hf0000000000000000000005','sample','align[5]');
INSERT INTO "task_tags" VALUES('01hf0000000000000000000006','rule','align');
INSERT INTO "task_tags" VALUES('01hf0000000000000000000006','sample','align[6]');
INSERT INTO "task_tags" VALUES('01hf0000000000000000000007','rule','align');
INSERT INTO "task_tags" VALUES('01hf0000000000000000000007','sample','align[7]');
INSERT INTO "task_tags" VALUES('01hf0000000000000000000008','rule','align');
INSERT INTO "task_tags" VALUES('01hf0000000000000000000008','sample','align[8]');
CREATE TABLE tasks (
	id VARCHAR(26) NOT NULL, 
	owner VARCHAR(63) NOT NULL, 
	workload VARCHAR(26), 
	"key" VARCHAR(128), 
	kind VARCHAR(8) NOT NULL, 
	name TEXT NOT NULL, 
	rule TEXT NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	reason TEXT NOT NULL, 
	priority INTEGER NOT NULL, 
	cpu_cores FLOAT NOT NULL, 
	ram_gb FLOAT NOT NULL, 
	disk_gb FLOAT NOT NULL, 
	attempt INTEGER NOT NULL, 
	not_before_us BIGINT NOT NULL, 
	sequence BIGINT NOT NULL, 
	created_us BIGINT NOT NULL, 
	started_us BIGINT, 
	ended_us BIGINT, 
	spec TEXT NOT NULL, 
	terms TEXT NOT NULL, 
	CONSTRAINT pk_tasks PRIMARY KEY (id)
);
INSERT INTO "tasks" VALUES('01hf0000000000000000000000','ada',NULL,NULL,'process','align[0]','align','QUEUED','',0,1.0,2.0,0.5,0,0,0,1700000000000000,NULL,NULL,'{"name": "align[0]", "executors": [{"image": "penstock/tools:1", "command": ["true"]}], "tags": {"rule": "align", "sample": "align[0]"}}','{}');
INSERT INTO "tasks" VALUES('01hf0000000000000000000001','ada',NULL,NULL,'process','align[1]','align','INITIALIZING','',0,1.0,2.0,0.5,1,0,0,1700000000000001,1700000000000006,NULL,'{"name": "align[1]", "executors": [{"image": "penstock/tools:1", "command": ["true"]}], "tags": {"rule": "align", "sample": "align[1]"}}','{}');
INSERT INTO "tasks" VALUES('01hf0000000000000000000002','ada',NULL,NULL,'process','align[2]','align','RUNNING','',0,1.0,2.0,0.5,1,0,0,1700000000000002,1700000000000007,NULL,'{"name": "align[2]", "executors": [{"image": "penstock/tools:1", "command": ["true"]}], "tags": {"rule": "align", "sample": "align[2]"}}','{}');
INSERT INTO "tasks" VALUES('01hf0000000000000000000003','ada',NULL,NULL,'process','align[3]','align','COMPLETE','',0,1.0,2.0,0.5,1,0,0,1700000000000003,1700000000000008,1700000000000012,'{"name": "align[3]", "executors": [{"image": "penstock/tools:1", "command": ["true"]}], "tags": {"rule": "align", "sample": "align[3]"}}','{}');
INSERT INTO "tasks" VALUES('01hf0000000000000000000004','ada',NULL,NULL,'process','align[4]','align','EXECUTOR_ERROR','',0,1.0,2.0,0.5,2,0,0,1700000000000004,1700000000000009,1700000000000013,'{"name": "align[4]", "executors": [{"image": "penstock/tools:1", "command": ["true"]}], "tags": {"rule": "align", "sample": "align[4]"}}','{}');
INSERT INTO "tasks" VALUES('01hf0000000000000000000005','ada',NULL,NULL,'process','align[5]','align','CANCELED','',0,1.0,2.0,0.5,0,0,0,1700000000000005,NULL,1700000000000014,'{"name": "align[5]", "executors": [{"image": "penstock/tools:1", "command": ["true"]}], "tags": {"rule": "align", "sample": "align[5]"}}','{}');
INSERT INTO "tasks" VALUES('01hf0000000000000000000006','ada','01hf0000000000000000000900','k6','head','align[6]','align','RUNNING','',0,1.0,2.0,0.5,1,0,7,1700000000000006,1700000000000011,NULL,'{"name": "align[6]", "executors": [{"image": "penstock/tools:1", "command": ["true"]}], "tags": {"rule": "align", "sample": "align[6]"}}','{}');
INSERT INTO "tasks" VALUES('01hf0000000000000000000007','ada','01hf0000000000000000000900','k7','process','align[7]','align','COMPLETE','',0,1.0,2.0,0.5,1,0,8,1700000000000007,1700000000000012,1700000000000016,'{"name": "align[7]", "executors": [{"image": "penstock/tools:1", "command": ["true"]}], "tags": {"rule": "align", "sample": "align[7]"}}','{}');
INSERT INTO "tasks" VALUES('01hf0000000000000000000008','ada','01hf0000000000000000000900','k8','process','align[8]','align','QUEUED','',0,1.0,2.0,0.5,0,0,9,1700000000000008,NULL,NULL,'{"name": "align[8]", "executors": [{"image": "penstock/tools:1", "command": ["true"]}], "tags": {"rule": "align", "sample": "align[8]"}}','{}');
CREATE TABLE tokens (
	id VARCHAR(26) NOT NULL, 
	owner VARCHAR(63) NOT NULL, 
	scopes VARCHAR NOT NULL, 
	salt BLOB NOT NULL, 
	digest BLOB NOT NULL, 
	created_us BIGINT NOT NULL, 
	expires_us BIGINT, 
	revoked_us BIGINT, 
	CONSTRAINT pk_tokens PRIMARY KEY (id)
);
INSERT INTO "tokens" VALUES('01hf0000000000000000000800','ada','tasks workloads',X'30313233343536373839616263646566',X'000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F',1700000000000000,NULL,NULL);
CREATE TABLE tombstones (
	id VARCHAR(26) NOT NULL, 
	owner VARCHAR(63) NOT NULL, 
	created_us BIGINT NOT NULL, 
	removed_us BIGINT NOT NULL, 
	CONSTRAINT pk_tombstones PRIMARY KEY (id)
);
INSERT INTO "tombstones" VALUES('01hf0000000000000000000901','ada',1700000000000000,1700000000000001);
CREATE TABLE uploads (
	id VARCHAR(26) NOT NULL, 
	owner VARCHAR(63) NOT NULL, 
	workload VARCHAR(26) NOT NULL, 
	role TEXT NOT NULL, 
	name TEXT NOT NULL, 
	size BIGINT NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	complete BOOLEAN NOT NULL, 
	created_us BIGINT NOT NULL, 
	touched_us BIGINT NOT NULL, 
	CONSTRAINT pk_uploads PRIMARY KEY (id)
);
INSERT INTO "uploads" VALUES('01hf0000000000000000000700','ada','01hf0000000000000000000900','reads','a.fq',3,'0000000000000000000000000000000000000000000000000000000000000000',1,1700000000000000,1700000000000000);
INSERT INTO "uploads" VALUES('01hf0000000000000000000701','bob','01hf0000000000000000000902','reads','b.fq',5,'1111111111111111111111111111111111111111111111111111111111111111',0,1700000000000000,1700000000000000);
CREATE TABLE workload_events (
	workload VARCHAR(26) NOT NULL, 
	number INTEGER NOT NULL, 
	at_us BIGINT NOT NULL, 
	state VARCHAR(12) NOT NULL, 
	reason TEXT NOT NULL, 
	CONSTRAINT pk_workload_events PRIMARY KEY (workload, number), 
	CONSTRAINT fk_workload_events_workload FOREIGN KEY(workload) REFERENCES workloads (id) ON DELETE CASCADE
);
INSERT INTO "workload_events" VALUES('01hf0000000000000000000900',1,1700000000000000,'UPLOADING','');
INSERT INTO "workload_events" VALUES('01hf0000000000000000000900',2,1700000000000001,'RUNNING','');
INSERT INTO "workload_events" VALUES('01hf0000000000000000000902',1,1700000000000000,'UPLOADING','');
CREATE TABLE workloads (
	id VARCHAR(26) NOT NULL, 
	owner VARCHAR(63) NOT NULL, 
	name TEXT NOT NULL, 
	pipeline VARCHAR(64) NOT NULL, 
	version VARCHAR(64) NOT NULL, 
	parameters TEXT NOT NULL, 
	state VARCHAR(12) NOT NULL, 
	reason TEXT NOT NULL, 
	sequence BIGINT NOT NULL, 
	created_us BIGINT NOT NULL, 
	updated_us BIGINT NOT NULL, 
	expires_us BIGINT, 
	inputs TEXT NOT NULL, 
	results TEXT NOT NULL, 
	CONSTRAINT pk_workloads PRIMARY KEY (id)
);
INSERT INTO "workloads" VALUES('01hf0000000000000000000900','ada','first','variants','1.0','{}','RUNNING','',3,1700000000000000,1700000000000001,NULL,'[]','[]');
INSERT INTO "workloads" VALUES('01hf0000000000000000000902','bob','waits','variants','1.0','{}','UPLOADING','',1,1700000000000000,1700000000000000,NULL,'[]','[]');
CREATE INDEX ix_tasks_owner_id ON tasks (owner, id);
CREATE INDEX ix_tasks_owner_state_id ON tasks (owner, state, id);
CREATE INDEX ix_tasks_queued ON tasks (kind, priority DESC, id) WHERE state = 'QUEUED';
CREATE INDEX ix_tasks_workload_sequence ON tasks (workload, sequence);
CREATE UNIQUE INDEX uq_tasks_workload_key ON tasks (workload, "key");
CREATE INDEX ix_tokens_owner ON tokens (owner);
CREATE INDEX ix_uploads_unfinished ON uploads (touched_us) WHERE complete = 0;
CREATE INDEX ix_uploads_workload ON uploads (workload);
CREATE INDEX ix_workloads_expires_us ON workloads (expires_us);
CREATE INDEX ix_workloads_owner_id ON workloads (owner, id);
CREATE INDEX ix_workloads_owner_state_id ON workloads (owner, state, id);
CREATE INDEX ix_workloads_state ON workloads (state);
CREATE INDEX ix_attempts_live ON attempts (lease_until_us) WHERE state IN ('leased', 'started');
CREATE INDEX ix_attempts_publishing ON attempts (task) WHERE state = 'finished' AND outcome IS NULL;
CREATE UNIQUE INDEX uq_attempts_task_number ON attempts (task, number);
CREATE INDEX ix_task_tags_key_value_task ON task_tags ("key", value, task);
COMMIT;
