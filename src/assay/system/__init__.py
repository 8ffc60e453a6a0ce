"""What everything stands on: folders, watched files, processes and their ends, Lightning. It knows no paper."""
