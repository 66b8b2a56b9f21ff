"""What a report says of a run: verdict, conditions, pages, tables, radar, model card."""
