//! Answers the two routes: topics to service methods, events forwarded, commands to service methods. Holds no rule.
