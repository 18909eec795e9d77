CREATE TABLE public.accounts (
    workload character varying(26) NOT NULL,
    name character varying(32) NOT NULL,
    salt bytea NOT NULL,
    digest bytea NOT NULL
);
CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.attempts (
    id character varying(34) NOT NULL,
    task character varying(26) NOT NULL,
    number integer NOT NULL,
    site character varying(63) NOT NULL,
    incarnation character varying(64) NOT NULL,
    state character varying(8) NOT NULL,
    outcome character varying(16),
    reason text NOT NULL,
    lease_until_us bigint NOT NULL,
    created_us bigint NOT NULL,
    started_us bigint,
    ended_us bigint,
    log text NOT NULL
);
CREATE TABLE public.sites (
    name character varying(63) NOT NULL,
    incarnation character varying(64) NOT NULL,
    tags text NOT NULL,
    cpu_cores double precision NOT NULL,
    ram_gb double precision NOT NULL,
    disk_gb double precision NOT NULL,
    slots integer NOT NULL,
    mounts_workspace integer NOT NULL,
    seen_us bigint NOT NULL
);
CREATE TABLE public.task_parents (
    workload character varying(26) NOT NULL,
    sequence bigint NOT NULL,
    total integer
);
CREATE TABLE public.task_tags (
    task character varying(26) NOT NULL,
    key text NOT NULL,
    value text NOT NULL
);
CREATE TABLE public.tasks (
    id character varying(26) NOT NULL,
    owner character varying(63) NOT NULL,
    workload character varying(26),
    key character varying(128),
    kind character varying(8) NOT NULL,
    name text NOT NULL,
    rule text NOT NULL,
    state character varying(16) NOT NULL,
    reason text NOT NULL,
    priority integer NOT NULL,
    cpu_cores double precision NOT NULL,
    ram_gb double precision NOT NULL,
    disk_gb double precision NOT NULL,
    attempt integer NOT NULL,
    not_before_us bigint NOT NULL,
    sequence bigint NOT NULL,
    created_us bigint NOT NULL,
    started_us bigint,
    ended_us bigint,
    spec text NOT NULL,
    terms text NOT NULL
);
CREATE TABLE public.tokens (
    id character varying(26) NOT NULL,
    owner character varying(63) NOT NULL,
    scopes character varying NOT NULL,
    salt bytea NOT NULL,
    digest bytea NOT NULL,
    created_us bigint NOT NULL,
    expires_us bigint,
    revoked_us bigint
);
CREATE TABLE public.tombstones (
    id character varying(26) NOT NULL,
    owner character varying(63) NOT NULL,
    created_us bigint NOT NULL,
    removed_us bigint NOT NULL
);
CREATE TABLE public.uploads (
    id character varying(26) NOT NULL,
    owner character varying(63) NOT NULL,
    workload character varying(26) NOT NULL,
    role text NOT NULL,
    name text NOT NULL,
    size bigint NOT NULL,
    sha256 character varying(64) NOT NULL,
    complete boolean NOT NULL,
    created_us bigint NOT NULL,
    touched_us bigint NOT NULL
);
CREATE TABLE public.workload_events (
    workload character varying(26) NOT NULL,
    number integer NOT NULL,
    at_us bigint NOT NULL,
    state character varying(12) NOT NULL,
    reason text NOT NULL
);
CREATE TABLE public.workloads (
    id character varying(26) NOT NULL,
    owner character varying(63) NOT NULL,
    name text NOT NULL,
    pipeline character varying(64) NOT NULL,
    version character varying(64) NOT NULL,
    parameters text NOT NULL,
    state character varying(12) NOT NULL,
    reason text NOT NULL,
    sequence bigint NOT NULL,
    created_us bigint NOT NULL,
    updated_us bigint NOT NULL,
    expires_us bigint,
    inputs text NOT NULL,
    results text NOT NULL
);
INSERT INTO public.accounts VALUES ('01hf0000000000000000000900', 'w0900', '\x73737373737373737373737373737373', '\x6464646464646464646464646464646464646464646464646464646464646464');
INSERT INTO public.alembic_version VALUES ('0001');
INSERT INTO public.attempts VALUES ('01hf0000000000000000000001-1', '01hf0000000000000000000001', 1, 'local', 'first', 'leased', NULL, '', 1700000030000000, 1700000000000000, 1700000000000005, NULL, '{}');
INSERT INTO public.attempts VALUES ('01hf0000000000000000000002-1', '01hf0000000000000000000002', 1, 'local', 'first', 'started', NULL, '', 1700000030000000, 1700000000000000, 1700000000000005, NULL, '{}');
INSERT INTO public.attempts VALUES ('01hf0000000000000000000003-1', '01hf0000000000000000000003', 1, 'local', 'first', 'finished', 'COMPLETE', 'x', 1700000030000000, 1700000000000000, 1700000000000005, 1700000000000009, '{}');
INSERT INTO public.attempts VALUES ('01hf0000000000000000000004-1', '01hf0000000000000000000004', 1, 'local', 'first', 'lost', 'LOST', 'x', 1700000030000000, 1700000000000000, 1700000000000005, 1700000000000009, '{}');
INSERT INTO public.attempts VALUES ('01hf0000000000000000000004-2', '01hf0000000000000000000004', 2, 'local', 'first', 'finished', 'EXECUTOR_ERROR', 'x', 1700000030000000, 1700000000000000, 1700000000000005, 1700000000000009, '{}');
INSERT INTO public.attempts VALUES ('01hf0000000000000000000006-1', '01hf0000000000000000000006', 1, 'local', 'first', 'started', NULL, '', 1700000030000000, 1700000000000000, 1700000000000005, NULL, '{}');
INSERT INTO public.attempts VALUES ('01hf0000000000000000000007-1', '01hf0000000000000000000007', 1, 'local', 'first', 'finished', 'COMPLETE', 'x', 1700000030000000, 1700000000000000, 1700000000000005, 1700000000000009, '{}');
INSERT INTO public.sites VALUES ('local', 'first', '{"disk":"nvme"}', 8, 16, 100, 64, 1, 1700000000000000);
INSERT INTO public.task_parents VALUES ('01hf0000000000000000000900', 9, 2);
INSERT INTO public.task_tags VALUES ('01hf0000000000000000000000', 'rule', 'align');
INSERT INTO public.task_tags VALUES ('01hf0000000000000000000000', 'sample', 'align[0]');
INSERT INTO public.task_tags VALUES ('01hf0000000000000000000001', 'rule', 'align');
INSERT INTO public.task_tags VALUES ('01hf0000000000000000000001', 'sample', 'align[1]');
INSERT INTO public.task_tags VALUES ('01hf0000000000000000000002', 'rule', 'align');
INSERT INTO public.task_tags VALUES ('01hf0000000000000000000002', 'sample', 'align[2]');
INSERT INTO public.task_tags VALUES ('01hf0000000000000000000003', 'rule', 'align');
INSERT INTO public.task_tags VALUES ('01hf0000000000000000000003', 'sample', 'align[3]');
INSERT INTO public.task_tags VALUES ('01hf0000000000000000000004', 'rule', 'align');
INSERT INTO public.task_tags VALUES ('01hf0000000000000000000004', 'sample', 'align[4]');
INSERT INTO public.task_tags VALUES ('01hf0000000000000000000005', 'rule', 'align');
INSERT INTO public.task_tags VALUES ('01hf0000000000000000000005', 'sample', 'align[5]');
INSERT INTO public.task_tags VALUES ('01hf0000000000000000000006', 'rule', 'align');
INSERT INTO public.task_tags VALUES ('01hf0000000000000000000006', 'sample', 'align[6]');
INSERT INTO public.task_tags VALUES ('01hf0000000000000000000007', 'rule', 'align');
INSERT INTO public.task_tags VALUES ('01hf0000000000000000000007', 'sample', 'align[7]');
INSERT INTO public.task_tags VALUES ('01hf0000000000000000000008', 'rule', 'align');
INSERT INTO public.task_tags VALUES ('01hf0000000000000000000008', 'sample', 'align[8]');
INSERT INTO public.tasks VALUES ('01hf0000000000000000000000', 'ada', NULL, NULL, 'process', 'align[0]', 'align', 'QUEUED', '', 0, 1, 2, 0.5, 0, 0, 0, 1700000000000000, NULL, NULL, '{"name": "align[0]", "executors": [{"image": "penstock/tools:1", "command": ["true"]}], "tags": {"rule": "align", "sample": "align[0]"}}', '{}');
INSERT INTO public.tasks VALUES ('01hf0000000000000000000001', 'ada', NULL, NULL, 'process', 'align[1]', 'align', 'INITIALIZING', '', 0, 1, 2, 0.5, 1, 0, 0, 1700000000000001, 1700000000000006, NULL, '{"name": "align[1]", "executors": [{"image": "penstock/tools:1", "command": ["true"]}], "tags": {"rule": "align", "sample": "align[1]"}}', '{}');
INSERT INTO public.tasks VALUES ('01hf0000000000000000000002', 'ada', NULL, NULL, 'process', 'align[2]', 'align', 'RUNNING', '', 0, 1, 2, 0.5, 1, 0, 0, 1700000000000002, 1700000000000007, NULL, '{"name": "align[2]", "executors": [{"image": "penstock/tools:1", "command": ["true"]}], "tags": {"rule": "align", "sample": "align[2]"}}', '{}');
INSERT INTO public.tasks VALUES ('01hf0000000000000000000003', 'ada', NULL, NULL, 'process', 'align[3]', 'align', 'COMPLETE', '', 0, 1, 2, 0.5, 1, 0, 0, 1700000000000003, 1700000000000008, 1700000000000012, '{"name": "align[3]", "executors": [{"image": "penstock/tools:1", "command": ["true"]}], "tags": {"rule": "align", "sample": "align[3]"}}', '{}');
INSERT INTO public.tasks VALUES ('01hf0000000000000000000004', 'ada', NULL, NULL, 'process', 'align[4]', 'align', 'EXECUTOR_ERROR', '', 0, 1, 2, 0.5, 2, 0, 0, 1700000000000004, 1700000000000009, 1700000000000013, '{"name": "align[4]", "executors": [{"image": "penstock/tools:1", "command": ["true"]}], "tags": {"rule": "align", "sample": "align[4]"}}', '{}');
INSERT INTO public.tasks VALUES ('01hf0000000000000000000005', 'ada', NULL, NULL, 'process', 'align[5]', 'align', 'CANCELED', '', 0, 1, 2, 0.5, 0, 0, 0, 1700000000000005, NULL, 1700000000000014, '{"name": "align[5]", "executors": [{"image": "penstock/tools:1", "command": ["true"]}], "tags": {"rule": "align", "sample": "align[5]"}}', '{}');
INSERT INTO public.tasks VALUES ('01hf0000000000000000000006', 'ada', '01hf0000000000000000000900', 'k6', 'head', 'align[6]', 'align', 'RUNNING', '', 0, 1, 2, 0.5, 1, 0, 7, 1700000000000006, 1700000000000011, NULL, '{"name": "align[6]", "executors": [{"image": "penstock/tools:1", "command": ["true"]}], "tags": {"rule": "align", "sample": "align[6]"}}', '{}');
INSERT INTO public.tasks VALUES ('01hf0000000000000000000007', 'ada', '01hf0000000000000000000900', 'k7', 'process', 'align[7]', 'align', 'COMPLETE', '', 0, 1, 2, 0.5, 1, 0, 8, 1700000000000007, 1700000000000012, 1700000000000016, '{"name": "align[7]", "executors": [{"image": "penstock/tools:1", "command": ["true"]}], "tags": {"rule": "align", "sample": "align[7]"}}', '{}');
INSERT INTO public.tasks VALUES ('01hf0000000000000000000008', 'ada', '01hf0000000000000000000900', 'k8', 'process', 'align[8]', 'align', 'QUEUED', '', 0, 1, 2, 0.5, 0, 0, 9, 1700000000000008, NULL, NULL, '{"name": "align[8]", "executors": [{"image": "penstock/tools:1", "command": ["true"]}], "tags": {"rule": "align", "sample": "align[8]"}}', '{}');
INSERT INTO public.tokens VALUES ('01hf0000000000000000000800', 'ada', 'tasks workloads', '\x30313233343536373839616263646566', '\x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f', 1700000000000000, NULL, NULL);
INSERT INTO public.tombstones VALUES ('01hf0000000000000000000901', 'ada', 1700000000000000, 1700000000000001);
INSERT INTO public.uploads VALUES ('01hf0000000000000000000700', 'ada', '01hf0000000000000000000900', 'reads', 'a.fq', 3, '0000000000000000000000000000000000000000000000000000000000000000', true, 1700000000000000, 1700000000000000);
INSERT INTO public.uploads VALUES ('01hf0000000000000000000701', 'bob', '01hf0000000000000000000902', 'reads', 'b.fq', 5, '1111111111111111111111111111111111111111111111111111111111111111', false, 1700000000000000, 1700000000000000);
INSERT INTO public.workload_events VALUES ('01hf0000000000000000000900', 1, 1700000000000000, 'UPLOADING', '');
INSERT INTO public.workload_events VALUES ('01hf0000000000000000000900', 2, 1700000000000001, 'RUNNING', '');
INSERT INTO public.workload_events VALUES ('01hf0000000000000000000902', 1, 1700000000000000, 'UPLOADING', '');
INSERT INTO public.workloads VALUES ('01hf0000000000000000000900', 'ada', 'first', 'variants', '1.0', '{}', 'RUNNING', '', 3, 1700000000000000, 1700000000000001, NULL, '[]', '[]');
INSERT INTO public.workloads VALUES ('01hf0000000000000000000902', 'bob', 'waits', 'variants', '1.0', '{}', 'UPLOADING', '', 1, 1700000000000000, 1700000000000000, NULL, '[]', '[]');
ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.accounts
    ADD CONSTRAINT pk_accounts PRIMARY KEY (workload);
ALTER TABLE ONLY public.attempts
    ADD CONSTRAINT pk_attempts PRIMARY KEY (id);
ALTER TABLE ONLY public.sites
    ADD CONSTRAINT pk_sites PRIMARY KEY (name);
ALTER TABLE ONLY public.task_parents
    ADD CONSTRAINT pk_task_parents PRIMARY KEY (workload);
ALTER TABLE ONLY public.task_tags
    ADD CONSTRAINT pk_task_tags PRIMARY KEY (task, key);
ALTER TABLE ONLY public.tasks
    ADD CONSTRAINT pk_tasks PRIMARY KEY (id);
ALTER TABLE ONLY public.tokens
    ADD CONSTRAINT pk_tokens PRIMARY KEY (id);
ALTER TABLE ONLY public.tombstones
    ADD CONSTRAINT pk_tombstones PRIMARY KEY (id);
ALTER TABLE ONLY public.uploads
    ADD CONSTRAINT pk_uploads PRIMARY KEY (id);
ALTER TABLE ONLY public.workload_events
    ADD CONSTRAINT pk_workload_events PRIMARY KEY (workload, number);
ALTER TABLE ONLY public.workloads
    ADD CONSTRAINT pk_workloads PRIMARY KEY (id);
CREATE INDEX ix_attempts_live ON public.attempts USING btree (lease_until_us) WHERE ((state)::text = ANY ((ARRAY['leased'::character varying, 'started'::character varying])::text[]));
CREATE INDEX ix_attempts_publishing ON public.attempts USING btree (task) WHERE (((state)::text = 'finished'::text) AND (outcome IS NULL));
CREATE INDEX ix_task_tags_key_value_task ON public.task_tags USING btree (key, value, task);
CREATE INDEX ix_tasks_owner_id ON public.tasks USING btree (owner, id);
CREATE INDEX ix_tasks_owner_state_id ON public.tasks USING btree (owner, state, id);
CREATE INDEX ix_tasks_queued ON public.tasks USING btree (kind, priority DESC, id) WHERE ((state)::text = 'QUEUED'::text);
CREATE INDEX ix_tasks_workload_sequence ON public.tasks USING btree (workload, sequence);
CREATE INDEX ix_tokens_owner ON public.tokens USING btree (owner);
CREATE INDEX ix_uploads_unfinished ON public.uploads USING btree (touched_us) WHERE (complete = false);
CREATE INDEX ix_uploads_workload ON public.uploads USING btree (workload);
CREATE INDEX ix_workloads_expires_us ON public.workloads USING btree (expires_us);
CREATE INDEX ix_workloads_owner_id ON public.workloads USING btree (owner, id);
CREATE INDEX ix_workloads_owner_state_id ON public.workloads USING btree (owner, state, id);
CREATE INDEX ix_workloads_state ON public.workloads USING btree (state);
CREATE UNIQUE INDEX uq_attempts_task_number ON public.attempts USING btree (task, number);
CREATE UNIQUE INDEX uq_tasks_workload_key ON public.tasks USING btree (workload, key);
ALTER TABLE ONLY public.accounts
    ADD CONSTRAINT fk_accounts_workload FOREIGN KEY (workload) REFERENCES public.workloads(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.attempts
    ADD CONSTRAINT fk_attempts_task FOREIGN KEY (task) REFERENCES public.tasks(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.task_tags
    ADD CONSTRAINT fk_task_tags_task FOREIGN KEY (task) REFERENCES public.tasks(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.workload_events
    ADD CONSTRAINT fk_workload_events_workload FOREIGN KEY (workload) REFERENCES public.workloads(id) ON DELETE CASCADE;
