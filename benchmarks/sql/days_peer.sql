-- Days as a program by hand would keep them: one row for a user's calendar and streaks, one for each quest of a day, one for each day.
CREATE TABLE users (
  id text PRIMARY KEY, timezone text NOT NULL, last_closed text NOT NULL, next_close_at bigint NOT NULL, current_streak int NOT NULL,
  longest_streak int NOT NULL, perfect_streak int NOT NULL, debuff_until bigint
);
CREATE TABLE quest_logs (
  user_id text NOT NULL, day text NOT NULL, template text NOT NULL, status text NOT NULL, progress int NOT NULL, xp int NOT NULL,
  PRIMARY KEY (user_id, day, template)
);
CREATE TABLE daily_logs (
  user_id text NOT NULL, day text NOT NULL, core_completed int NOT NULL, core_total int NOT NULL, all_completed int NOT NULL,
  debuff int NOT NULL, streak int NOT NULL, PRIMARY KEY (user_id, day)
);
INSERT INTO users SELECT 'c' || :number, 'Europe/Berlin', '2027-01-17', 1800314100000, 3, 3, 3, NULL FROM :numbers;
INSERT INTO quest_logs SELECT 'c' || :number, '2027-01-18', 'q_sleep', 'COMPLETED', 10000, 25 FROM :numbers WHERE n % 10 < :touched;
INSERT INTO quest_logs SELECT 'c' || :number, '2027-01-18', 'q_steps', 'COMPLETED', 10000, 25 FROM :numbers WHERE n % 10 < :touched;
INSERT INTO quest_logs SELECT 'c' || :number, '2027-01-18', 'q_protein', 'ACTIVE', 0, 0 FROM :numbers WHERE n % 10 < :touched;
INSERT INTO quest_logs SELECT 'c' || :number, '2027-01-18', 'q_workout', 'ACTIVE', 0, 0 FROM :numbers WHERE n % 10 < :touched;
CREATE INDEX users_due ON users (next_close_at, id);
