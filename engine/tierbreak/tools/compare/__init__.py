"""Old system against new: what a migration would do, as a report that a team can decide on.

comparing     from two names and a file of traffic to the report; the only module that knows the order
sides/        what can be compared: an engine, an ordered list, a file of decisions
pairing, pairs   both asked about the same rows; the table of paired decisions that every figure comes from
measure/      figures from that table: agreement, flow, brands, correctness, who decides, cache hits, latency
labelling/    disagreements to be labelled, and what the labels say
trial/        the experiment with users
verdicts/     gates, and what they come to
reporting, report/   figures into sections, sections into a page, Markdown and JSON
ramp, shadow  in service: which users get the new system; both at once
"""
