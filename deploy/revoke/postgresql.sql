-- What curfewd's revoker may do in PostgreSQL: four functions about the roles of tasks, and nothing else.
--
-- Run it once in each cluster as a superuser, in the database that the revoker connects to:
--
--   psql -d postgres -v ON_ERROR_STOP=1 -f postgresql.sql
--   psql -d postgres -c '\password curfewd_revoker'
--
-- Why functions? CREATEROLE would do, but up to PostgreSQL 15 a role with it may grant itself what it likes short of
-- superuser, `pg_execute_server_program` among it. So a role that nobody can log in as has CREATEROLE and owns the
-- functions; they look at the role before they touch it. The revoker may only call them.
--
-- Whoever creates the role of a task marks it as one, and says whose it is:
--
--   CREATE ROLE "job-71" LOGIN PASSWORD '…' VALID UNTIL '2026-05-04T02:00:00Z' IN ROLE curfewd_tasks;
--   COMMENT ON ROLE "job-71" IS 'curfewd:{"credential_id": "job-71/db"}';
--
-- From PostgreSQL 16 on, the owner of the functions must also administer the role: add `ADMIN curfewd_revocation` to
-- CREATE ROLE.

BEGIN;

DO $roles$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'curfewd_tasks') THEN
    CREATE ROLE curfewd_tasks NOLOGIN;
  END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'curfewd_revocation') THEN
    CREATE ROLE curfewd_revocation NOLOGIN CREATEROLE;
  END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'curfewd_revoker') THEN
    CREATE ROLE curfewd_revoker LOGIN CONNECTION LIMIT 20;
  END IF;
END
$roles$;

COMMENT ON ROLE curfewd_tasks IS 'the roles of tasks: curfewd may revoke these, and no others';
COMMENT ON ROLE curfewd_revocation IS 'owns the functions with which curfewd revokes; nobody logs in as it';
COMMENT ON ROLE curfewd_revoker IS 'curfewd''s revoker';

GRANT pg_signal_backend TO curfewd_revocation; -- ends sessions, a superuser's excepted

CREATE SCHEMA IF NOT EXISTS curfewd;
REVOKE ALL ON SCHEMA curfewd FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA curfewd TO curfewd_revocation;
GRANT USAGE ON SCHEMA curfewd TO curfewd_revoker;

-- The role of a name, and others whose comment names the credential: it may have been renamed.
CREATE OR REPLACE FUNCTION curfewd.task_roles(role_name text, credential text)
RETURNS TABLE (
  role_id oid, name text, is_task boolean, is_protected boolean, can_login boolean, valid_until text, note text,
  sessions bigint
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $body$
  SELECT
    role.oid,
    role.rolname::text,
    EXISTS (
      SELECT FROM pg_auth_members AS member JOIN pg_roles AS tasks ON tasks.oid = member.roleid
      WHERE member.member = role.oid AND tasks.rolname = 'curfewd_tasks'
    ),
    role.rolsuper OR role.rolname IN (session_user, 'curfewd_tasks', 'curfewd_revocation')
      OR starts_with(role.rolname::text, 'pg_'),
    role.rolcanlogin,
    CASE WHEN isfinite(role.rolvaliduntil)
      THEN to_char(role.rolvaliduntil AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') END,
    shobj_description(role.oid, 'pg_authid'),
    (SELECT count(*) FROM pg_stat_activity AS activity WHERE activity.usesysid = role.oid)
  FROM pg_roles AS role
  WHERE role.rolname::text = role_name -- as text: a cast to name would cut a longer one, and find another's role
    OR (
      starts_with(shobj_description(role.oid, 'pg_authid'), 'curfewd:')
      AND strpos(shobj_description(role.oid, 'pg_authid'), credential) > 0
    )
  ORDER BY role.rolname::text <> role_name
  LIMIT 20
$body$;

-- Raises unless the role is a task's, and the very one that was looked up: a recreated role has another oid.
CREATE OR REPLACE FUNCTION curfewd.require_task_role(role_name text, expected oid) RETURNS void
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $body$
DECLARE
  found_role record;
BEGIN
  SELECT * INTO found_role FROM curfewd.task_roles(role_name, '') AS roles WHERE roles.name = role_name;
  IF found_role.role_id IS DISTINCT FROM expected THEN
    RAISE EXCEPTION 'there is no such role' USING ERRCODE = 'CF404';
  END IF;
  IF found_role.is_protected OR NOT found_role.is_task THEN
    RAISE EXCEPTION 'this is not the role of a task' USING ERRCODE = 'CF403';
  END IF;
END
$body$;

CREATE OR REPLACE FUNCTION curfewd.disable(role_name text, role_id oid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $body$
BEGIN
  PERFORM curfewd.require_task_role(role_name, role_id);
  EXECUTE format('ALTER ROLE %I NOLOGIN', role_name);
  PERFORM curfewd.require_task_role(role_name, role_id); -- recreated in between, it stays as it was
END
$body$;

CREATE OR REPLACE FUNCTION curfewd.terminate(role_name text, role_id oid) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $body$
DECLARE
  ended bigint;
BEGIN
  PERFORM curfewd.require_task_role(role_name, role_id);
  SELECT count(*) FILTER (WHERE pg_terminate_backend(activity.pid)) INTO ended
  FROM pg_stat_activity AS activity WHERE activity.usesysid = role_id;
  RETURN ended;
END
$body$;

-- Fails (2BP01) if the role owns anything or was granted rights by itself: to reassign that is for a person.
CREATE OR REPLACE FUNCTION curfewd.drop(role_name text, role_id oid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $body$
BEGIN
  PERFORM curfewd.require_task_role(role_name, role_id);
  IF EXISTS (SELECT FROM pg_roles AS role WHERE role.oid = role_id AND role.rolcanlogin)
    OR EXISTS (SELECT FROM pg_stat_activity AS activity WHERE activity.usesysid = role_id)
  THEN
    RAISE EXCEPTION 'the role is still in use' USING ERRCODE = 'CF409';
  END IF;
  EXECUTE format('DROP ROLE %I', role_name);
END
$body$;

ALTER FUNCTION curfewd.task_roles(text, text) OWNER TO curfewd_revocation;
ALTER FUNCTION curfewd.require_task_role(text, oid) OWNER TO curfewd_revocation;
ALTER FUNCTION curfewd.disable(text, oid) OWNER TO curfewd_revocation;
ALTER FUNCTION curfewd.terminate(text, oid) OWNER TO curfewd_revocation;
ALTER FUNCTION curfewd.drop(text, oid) OWNER TO curfewd_revocation;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA curfewd FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
  curfewd.task_roles(text, text), curfewd.disable(text, oid), curfewd.terminate(text, oid), curfewd.drop(text, oid)
TO curfewd_revoker;
REVOKE CREATE ON SCHEMA curfewd FROM curfewd_revocation; -- it needed that to be made their owner

COMMIT;
